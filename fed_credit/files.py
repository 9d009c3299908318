"""Writing files so that a reader sees the old one or the new one, never half of it."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fed_credit.errors import FedCreditError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and put it in its place when all went well.

    Parameters
    ----------
    path : Path
        File or folder to replace.

    Raises
    ------
    FedCreditError
        If it cannot be written: no space, no permission, not a folder.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if temporary.is_dir() and path.is_dir():
            # A folder cannot be replaced in one step: the old one goes only once the new is whole.
            shutil.rmtree(path)
        temporary.replace(path)
    except OSError as error:
        raise FedCreditError(
            f"{path} cannot be written ({error.strerror or error}); free space, or choose another"
            " folder with run_dir=FOLDER."
        ) from None
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


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
