"""Files that hold a bank's loans: the owner's alone, whole or not there, and checked when read."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fed_credit.errors import DataError
from fed_credit.files import replacing

_SUM = 4  # bytes of the check sum at the end of an array's file


def private_folder(path: Path) -> Path:
    """Make a folder, and those above it that are missing, for the owner alone.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    if not path.is_dir():
        private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
    return path


@contextmanager
def private_file(path: Path) -> Iterator[Path]:
    """Give an empty file of the owner's alone and put it in the place of ``path`` in one step.

    Parameters
    ----------
    path : Path
        What to write; its folder exists.

    Yields
    ------
    Path
        What to write to.

    Raises
    ------
    FedCreditError
        If it cannot be written.
    """
    with replacing(path) as temporary:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield temporary


def write_array(path: Path, array: np.ndarray) -> int:
    """Write an array with a check sum, for the owner alone.

    Parameters
    ----------
    path : Path
        A ``.npy`` file, to which four bytes are added.
    array : numpy.ndarray
        Of numbers.

    Returns
    -------
    int
        CRC-32 of its bytes.

    Raises
    ------
    FedCreditError
        If it cannot be written.
    """
    array = np.ascontiguousarray(array)
    check = _check_sum(array)
    with private_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        file.write(check.to_bytes(_SUM, "little"))
    return check


def read_array(path: Path, check: int | None = None) -> np.ndarray:
    """Map what :func:`write_array` wrote into memory.

    Parameters
    ----------
    path : Path
        The file.
    check : int or None
        Its check sum, where the caller knows it.

    Returns
    -------
    numpy.ndarray
        Of pages that the file and other processes share. What is written to it would stay in this
        process; it can be, since PyTorch warns of memory that cannot.

    Raises
    ------
    DataError
        If it is missing, cut off, or holds other bytes than were written.
    """
    try:
        mapped = np.load(path, mmap_mode="c", allow_pickle=False)
        with path.open("rb") as file:
            file.seek(-_SUM, os.SEEK_END)
            written = int.from_bytes(file.read(_SUM), "little")
        size = path.stat().st_size
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error}).") from None
    array = np.asarray(mapped)
    whole = size == getattr(mapped, "offset", 0) + array.nbytes + _SUM
    if not whole or written != _check_sum(array) or check not in (None, written):
        raise DataError(f"{path} is damaged.")
    return array


def write_facts(path: Path, facts: dict[str, Any]) -> None:
    """Write a JSON file with a hash of its contents, for the owner alone.

    Raises
    ------
    FedCreditError
        If it cannot be written.
    """
    with private_file(path) as temporary:
        temporary.write_text(json.dumps({"sha256": digest(facts), "facts": facts}), "utf-8")


def read_facts(path: Path) -> dict[str, Any]:
    """Read what :func:`write_facts` wrote.

    Raises
    ------
    DataError
        If it is missing or damaged.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        facts: dict[str, Any] = body["facts"]
        if body["sha256"] != digest(facts):
            raise ValueError("it holds other contents than were written")
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}).") from None
    return facts


def digest(facts: Any) -> str:
    """Return the SHA-256 of plain values, whatever the order of their keys."""
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _check_sum(array: np.ndarray) -> int:
    return zlib.crc32(array.reshape(-1).view(np.uint8).data) if array.size else 0
