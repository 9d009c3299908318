"""Whom processes talk to: a hook in every Python process that inherits a variable.

:func:`watched` returns the environment to start processes with; :func:`calls` reads what they did.
The hook hears ``connect`` and the resolver functions of Python's own ``socket``, which is what
Flower's transport, uvicorn, httpx and SQLAlchemy's drivers in Python use. It does not hear
libraries that connect from C, nor ``python -S``, as the bank's own ``flwr-clientapp`` is started:
that one opens a Unix socket and starts no other process but the worker's module.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_HOOK = """
import json, os, sys

_LOG = {log!r}


def _heard(event, arguments):
    if event == "socket.connect":
        address = arguments[1]
        where = address if isinstance(address, tuple) else (address, "")
        said = ["connect", str(where[0]), str(where[1])]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        said = ["resolve", str(arguments[0]), str(arguments[1]) if len(arguments) > 1 else ""]
    else:
        return
    line = json.dumps([os.getpid(), " ".join(sys.orig_argv[:6])[:300], *said]) + "\\n"
    file = os.open(_LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, line.encode())
    os.close(file)


sys.addaudithook(_heard)
"""


@dataclass(frozen=True)
class Call:
    """One attempt to find or reach a host.

    Parameters
    ----------
    process : str
        The start of its command line.
    kind : str
        ``resolve`` or ``connect``.
    host, port : str
        As the process gave them; a Unix socket's path is a host without a port.
    """

    process: str
    kind: str
    host: str
    port: str


def watched(folder: Path, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which every Python process is heard.

    Parameters
    ----------
    folder : Path
        Empty; takes the hook and the log.
    environment : mapping of str to str or None
        What to add to; ``None`` takes this process's own.

    Returns
    -------
    dict of str to str
    """
    folder.mkdir(parents=True, exist_ok=True)
    hook = _HOOK.format(log=str(folder / "calls.jsonl"))
    (folder / "sitecustomize.py").write_text(hook, encoding="utf-8")
    given = dict(os.environ if environment is None else environment)
    paths = [str(folder), *filter(None, [given.get("PYTHONPATH")])]
    return {**given, "PYTHONPATH": os.pathsep.join(paths)}


def calls(folder: Path) -> list[Call]:
    """Return what was heard so far."""
    log = folder / "calls.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [Call(*json.loads(line)[1:]) for line in lines]
