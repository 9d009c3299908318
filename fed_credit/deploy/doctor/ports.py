"""Whether this side's own ports are free, or taken by its own processes."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from fed_credit.config.urls import redacted
from fed_credit.deploy.doctor.finding import Finding, ok, problem, warning
from fed_credit.deploy.doctor.network import Refused


def taken(host: str, port: int) -> bool:
    """Return whether somebody listens at an address of this machine.

    Parameters
    ----------
    host : str
        IP address to listen at; that of all interfaces finds any.
    port : int
        TCP port.

    Returns
    -------
    bool

    Raises
    ------
    Refused
        If nobody could listen there.
    """
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(place)
    except PermissionError:
        raise Refused(
            f"this user may not listen at port {port}", "Choose a port from 1024 on."
        ) from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return True
        raise Refused(
            f"nobody can listen at {host}:{port} ({error.strerror})",
            "Give an address of this machine.",
        ) from None
    return False


def own_port(
    check: str, port: int, home: Path, command: str, called_with: str
) -> Iterator[Finding]:
    """Check that a port of loopback is free, or taken by this kit's own process.

    Parameters
    ----------
    check : str
        What to call the port.
    port : int
        TCP port.
    home : Path
        The kit.
    command : str
        What to call the program that is expected there.
    called_with : str
        What its command line holds.

    Yields
    ------
    Finding
        One.
    """
    try:
        if not taken("127.0.0.1", port):
            yield ok(check, f"{port} is free")
            return
    except Refused as refused:
        yield problem(check, refused.found, refused.advice)
        return
    process = _holder(port)
    if process is None:
        yield warning(
            check,
            f"{port} is taken, by whom this user cannot see",
            f"If it is not this kit's {command}, stop that, or choose another port.",
        )
    elif _ours(process, home, called_with):
        yield ok(check, f"{port}, taken by this kit's {command} (process {process})")
    else:
        yield problem(
            check,
            f"{port} is taken by process {process} ({_words(process)})",
            "Stop that process, or choose another port.",
        )


def holder(port: int) -> str:
    """Return who listens at a port, in words.

    Parameters
    ----------
    port : int
        TCP port.

    Returns
    -------
    str
    """
    process = _holder(port)
    if process is None:
        return "a process that this user cannot see"
    return f"process {process} ({_words(process)})"


def _holder(port: int) -> int | None:
    """Return the process that listens at a port, where Linux tells."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            cells = row.split()
            if cells[3] == "0A" and int(cells[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{cells[9]}]")
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(str(link.readlink()) in sockets for link in folder.iterdir()):
                return int(folder.parent.name)
        except OSError:
            continue  # another user's, or gone
    return None


def _ours(process: int, home: Path, called_with: str) -> bool:
    """Return whether a process is this kit's, by what it was called with and where."""
    folder = Path("/proc", str(process))
    try:
        line = (folder / "cmdline").read_bytes()
        around = line + b"\0" + (folder / "environ").read_bytes()
        inside = Path((folder / "cwd").readlink()).is_relative_to(home.resolve())
    except OSError:
        return False
    return called_with.encode() in line and (inside or os.fsencode(home.resolve()) in around)


def _words(process: int) -> str:
    try:
        line = Path("/proc", str(process), "cmdline").read_bytes()
    except OSError:
        return "it is gone now"
    words = [word for word in line.decode(errors="replace").split("\0") if word]
    shown = redacted(" ".join(words))
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
