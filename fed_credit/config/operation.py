"""A home's own settings, file by file, over the packaged ones in ``conf/operation``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from fed_credit.config.convert import build
from fed_credit.config.location import operation_dir
from fed_credit.config.merge import merged
from fed_credit.config.yaml_file import read_mapping
from fed_credit.errors import ConfigurationError

T = TypeVar("T")


def own_file(home: Path, name: str) -> Path:
    """Return where a home's own settings lie, if it has any.

    Parameters
    ----------
    home : Path
        The folder of the bank or the operator.
    name : str
        Of the file.

    Returns
    -------
    Path

    Raises
    ------
    ConfigurationError
        If there is no such folder.
    """
    if not home.is_dir():
        raise ConfigurationError(f"{home} is no folder; name the home folder with --home.")
    return home / name


def read_own(file: Path) -> dict[str, Any]:
    """Return what a home's own settings say: nothing where the file is not there.

    Raises
    ------
    ConfigurationError
        If it cannot be read; names it.
    """
    return read_mapping(file) if file.is_file() else {}


def over_packaged(kind: type[T], name: str, own: Mapping[str, Any]) -> T:
    """Return a home's own settings over the packaged ones.

    Parameters
    ----------
    kind : type
        Dataclass of the settings.
    name : str
        Of the packaged file.
    own : mapping of str to object
        What the home says.

    Returns
    -------
    object
        Of ``kind``.

    Raises
    ------
    ConfigurationError
        If a key or value is of the wrong kind; names the key.
    """
    return build(kind, merged(read_mapping(operation_dir() / name), dict(own)))
