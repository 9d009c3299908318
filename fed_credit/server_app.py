"""The consortium's Flower app: what ``flwr run`` and ``fed-credit deploy run`` start."""

from __future__ import annotations

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from fed_credit.runtime.deployment import run_deployed

app = ServerApp()


@app.main()
def _main(grid: Grid, context: Context) -> None:
    run_deployed(grid, context)
