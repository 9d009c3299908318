"""Who may read a kit's secrets, and whether there is room."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from fed_credit.deploy.doctor.finding import Finding, ok, problem, warning

_FULL = 100 * 2**20  # bytes: a SuperNode's or SuperLink's database could not take the next message
_SCARCE = 2**30


def secrets(paths: dict[str, Path]) -> Iterator[Finding]:
    """Check that private files are this user's and nobody else can read them.

    Parameters
    ----------
    paths : dict of str to Path
        By what the file is called. What is missing is left to the check that reads it.

    Yields
    ------
    Finding
        One for each file that is there.
    """
    for name, path in paths.items():
        check = f"{name}: permissions"
        if not path.is_file():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        if other := _of_another_user(check, path, "chown $(id -u)"):
            yield other
        elif mode & 0o077:
            yield problem(
                check,
                f"mode {mode:04o}: others on this machine can reach it",
                f"chmod 600 {path}. Rotate the key if anybody else could log in.",
            )
        else:
            yield ok(check, f"mode {mode:04o}, this user's")


def folder(check: str, path: Path) -> Iterator[Finding]:
    """Check that only this user can put files into a folder.

    Parameters
    ----------
    check : str
        What to call it.
    path : Path
        A folder whose files are started or trusted.

    Yields
    ------
    Finding
        One, or none if the folder is missing.
    """
    if not path.is_dir():
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if other := _of_another_user(check, path, "chown -R $(id -u)"):
        yield other
    elif mode & 0o022:
        yield problem(
            check,
            f"mode {mode:04o}: others can put files of their own into it",
            f"chmod go-w {path}, and compare what is in it with a copy.",
        )
    else:
        yield ok(check, f"mode {mode:04o}, only this user writes")


def _of_another_user(check: str, path: Path, mend: str) -> Finding | None:
    owner = path.stat().st_uid
    if owner == os.getuid():
        return None
    return problem(
        check,
        f"belongs to user {owner}, and this is user {os.getuid()}",
        f"Run as its owner, or: {mend} {path}",
    )


def private(check: str, path: Path) -> Iterator[Finding]:
    """Check that only this user can look into a folder.

    Parameters
    ----------
    check : str
        What to call it.
    path : Path
        A folder that holds records or what is made of them.

    Yields
    ------
    Finding
        One, or none if the folder is missing.
    """
    if path.is_dir() and (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
        yield problem(
            check,
            f"mode {mode:04o}: others on this machine can look into it",
            f"chmod 700 {path}",
        )
    else:
        yield from folder(check, path)


def space(path: Path) -> Iterator[Finding]:
    """Check that there is room on a folder's disk.

    Parameters
    ----------
    path : Path
        Folder, or one that will be made.

    Yields
    ------
    Finding
        One.
    """
    while not path.is_dir():
        path = path.parent
    free = shutil.disk_usage(path).free
    found = f"{free / 2**30:,.1f} GiB free"
    if not os.access(path, os.W_OK):
        yield problem("disk", f"{path} cannot be written", f"chmod u+w {path}")
    elif free < _FULL:
        yield problem("disk", found, "Free space: nothing can be stored, and nothing leaves.")
    elif free < _SCARCE:
        yield warning("disk", found, "Free space before the next run.")
    else:
        yield ok("disk", found)
