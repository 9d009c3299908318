"""The bundle that a run sends: the packaged configuration, and nothing that could be executed."""

from __future__ import annotations

from pathlib import Path

from fed_credit import __version__
from fed_credit.config.location import conf_dir

_PYPROJECT = f"""\
[project]
name = "fed-credit"
version = "{__version__}"
description = "Configuration of a run of Fed Credit; banks install the code themselves."

[tool.flwr.app]
publisher = "fed-credit"
fab-include = ["/conf/**/*.yaml"]

[tool.flwr.app.components]
serverapp = "fed_credit.server_app:app"
clientapp = "fed_credit.client_app:app"

[tool.flwr.app.config]
overrides = ""
name = ""
banks = ""
"""


def build_bundle(schema: Path | None = None) -> bytes:
    """Build the bundle of the installed version, as ``flwr build`` does from the repository.

    Parameters
    ----------
    schema : Path or None
        A schema of the consortium's own, which goes among the packaged ones.

    Returns
    -------
    bytes
        A zip archive of ``pyproject.toml`` and ``conf/**/*.yaml``; the same for the same version
        and schema.
    """
    from flwr.cli.build import build_fab_from_files

    conf = conf_dir()
    files = {
        f"conf/{path.relative_to(conf).as_posix()}": path for path in sorted(conf.rglob("*.yaml"))
    }
    if schema is not None:
        files[f"conf/schemas/{schema.stem}.yaml"] = schema
    return build_fab_from_files({"pyproject.toml": _PYPROJECT.encode(), **files})[0]
