"""Writing files so that a reader sees the old one or the new one, never half of it."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fed_credit.errors import FedCreditError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and put it in its place when all went well.

    A file is replaced in one step. A folder takes two renames, so a reader between them finds none,
    but never half of one.

    Parameters
    ----------
    path : Path
        File or folder to replace.

    Raises
    ------
    FedCreditError
        If it cannot be written: no space, no permission, not a folder, no name.
    """
    if not path.name:
        raise FedCreditError(f"{path} is a folder without a name of its own; name a file in it.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(temporary)  # of a killed process; numbers come again, in containers at once
        yield temporary
        if temporary.is_dir() and path.is_dir():
            _swap(temporary, path)
        else:
            temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        # What cannot be removed must not hide why it could not be written.
        with suppress(OSError):
            _remove(temporary)


def _unwritable(path: Path, error: OSError) -> FedCreditError:
    return FedCreditError(
        f"{path} cannot be written ({error.strerror or error}); free space, mend its"
        " permissions, or name another place."
    )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _swap(new: Path, path: Path) -> None:
    old = new.with_suffix(".old")
    _remove(old)
    path.rename(old)
    try:
        new.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def local_path(text: str) -> Path:
    """Return a path as a user writes it; ``~`` is their home, if they have one."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def append_text(path: Path, text: str) -> None:
    """Add text to a file.

    Raises
    ------
    FedCreditError
        If it cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise _unwritable(path, error) from None


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, body: Any) -> None:
    """Write a JSON file in one step; numbers that JSON does not know become ``null``."""
    write_text(path, json.dumps(plain(body), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """Replace NaN and infinities, which JSON does not know, by ``None``, at any depth."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
