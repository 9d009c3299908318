"""Files of a kit: whole or not there, and never readable by others for a moment."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fed_credit.errors import FedCreditError

SECRET = 0o600
PUBLIC = 0o644
SCRIPT = 0o755
_FOLDER = 0o700


def put(path: Path, body: bytes, mode: int = PUBLIC) -> bool:
    """Write a file in one step, unless it is there as it should be.

    It has its permissions from the first byte, whatever the umask, and is on the disk before it
    takes its name. One process at a time may write a file; see :func:`locked`.

    Parameters
    ----------
    path : Path
        The file. Its folder is made, for the owner alone.
    body : bytes
        What it holds.
    mode : int
        Its permissions.

    Returns
    -------
    bool
        Whether anything changed.

    Raises
    ------
    FedCreditError
        If it cannot be written.
    """
    # A fixed name: what a killed process left is taken away by the next one.
    part = path.with_name(f".{path.name}.part")
    try:
        if path.is_file() and path.read_bytes() == body:
            if path.stat().st_mode & 0o777 == mode:
                return False
            path.chmod(mode)
            return True
        folder(path.parent)
        part.unlink(missing_ok=True)
        number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET)
        with os.fdopen(number, "wb") as file:
            os.fchmod(number, mode)
            file.write(body)
            file.flush()
            os.fsync(number)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise unwritable(path, error) from None
    return True


def folder(path: Path) -> None:
    """Make a folder that its owner alone may enter; one that is there stays as it is.

    Raises
    ------
    FedCreditError
        If it cannot be made.
    """
    try:
        for missing in reversed([path, *path.parents]):
            if not missing.is_dir():
                missing.mkdir(_FOLDER, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a folder against a second process that writes in it.

    Parameters
    ----------
    path : Path
        The folder; made if it is not there.

    Raises
    ------
    FedCreditError
        If another process holds it, or it cannot be written.
    """
    folder(path)
    try:
        number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FedCreditError(
                f"Another process is writing in {path}; wait until it has ended."
            ) from None
        yield
    finally:
        os.close(number)


def unwritable(path: Path, error: OSError) -> FedCreditError:
    """Return the error for a file or folder that cannot be written."""
    return FedCreditError(
        f"{path} cannot be written ({error.strerror or error}); free space, or choose another"
        " folder."
    )
