"""Where the demo plays: a folder, with Fed Credit's own commands as processes in it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fed_credit.deploy.demo.processes import Processes, environment, free_ports
from fed_credit.errors import ConfigurationError, FedCreditError
from fed_credit.lifecycle.demo.service import Client

_STEP_S = 300.0


class Stage:
    """Runs commands and services in a folder.

    Parameters
    ----------
    folder : Path
        Where.
    processes : Processes
        Those of the services, which end with it.
    """

    def __init__(self, folder: Path, processes: Processes) -> None:
        self._folder, self.processes = folder, processes

    def command(self, *arguments: str) -> str:
        """Run ``fed-credit`` in a process of its own and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "fed_credit.cli", *arguments],
            cwd=self._folder,
            env=environment(Path(sys.executable).parent, [("COLUMNS", "160")]),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_STEP_S,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise FedCreditError(
                f"The demo's step 'fed-credit {' '.join(arguments[:2])}' failed:"
                f" {said[-1] if said else 'without a word'}"
            )
        return done.stdout

    def add_key(self, home: Path, name: str, role: str) -> str:
        """Make an API key and return its secret."""
        made = self.command(
            *("keys", "add", "--home", str(home)),
            *("--name", name, "--role", role, "--json"),
        )
        return str(json.loads(made)["secret"])

    def serve(self, role: str, home: Path, secret: str) -> Client:
        """Start a service on a free port, wait until it is ready, and return who asks it."""
        port = free_ports(1)[0]
        command = [sys.executable, "-m", "fed_credit.cli", "serve", "--role", role]
        command += ["--home", str(home), "--port", str(port), "--no-log"]
        self.processes.start(role, command, self._folder)
        client = Client(f"http://127.0.0.1:{port}", secret)
        client.wait(self.processes)
        return client


@contextmanager
def demo_folder(folder: Path | None) -> Iterator[Path]:
    """Give the demo's folder: a new or empty one that stays, or a temporary one that goes.

    Raises
    ------
    ConfigurationError
        If it holds something.
    """
    if folder is not None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigurationError(f"{folder} is not an empty folder; name another one.")
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.absolute()
        return
    made = Path(tempfile.mkdtemp(prefix="fed-credit-demo-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
