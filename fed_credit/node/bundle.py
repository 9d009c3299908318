"""What a run's bundle may hold: configuration, never code.

A bundle is looked at in memory. Nothing of it is extracted, installed or imported at a bank; the
bank runs the app that it installed itself.
"""

from __future__ import annotations

import io
import re
import stat
import tomllib
import zipfile
from typing import Any

from fed_credit.errors import ReleaseError

CLIENT_APP = "fed_credit.client_app:app"

_PROJECT = "pyproject.toml"
_MANIFEST = ".info/CONTENT"  # of Flower's own making: names and hashes
_CONFIGURATION = re.compile(r"conf(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+\.yaml")
_COMPONENTS = {"serverapp", "clientapp"}
_MAX_BUNDLE = 10 * 2**20  # Flower's own limit
_MAX_FILES = 1_000
_MAX_FILE = 2**20
_MAX_TOTAL = 10 * 2**20


def check_bundle(fab: bytes) -> None:
    """Refuse a bundle that holds anything but configuration.

    It may hold ``pyproject.toml``, ``conf/**/*.yaml`` and the list that Flower adds, and its client
    app must be the installed one.

    Parameters
    ----------
    fab : bytes
        The bundle as it came, a zip file.

    Raises
    ------
    ReleaseError
        If it is anything else; names the first file in the way. Safe to send.
    """
    if len(fab) > _MAX_BUNDLE:
        raise _refused(f"it has {len(fab):,} bytes, more than {_MAX_BUNDLE:,}")
    try:
        with zipfile.ZipFile(io.BytesIO(fab)) as archive:
            _check_files(archive.infolist())
            with archive.open(_PROJECT) as file:
                text = file.read(_MAX_FILE + 1)
        project = tomllib.loads(text.decode("utf-8"))
    except tomllib.TOMLDecodeError:
        raise _refused(f"its {_PROJECT} is not valid TOML") from None
    except ReleaseError:
        raise
    # A damaged archive fails in many ways, deep in the standard library.
    except Exception:
        raise _refused("it cannot be read") from None
    _check_components(project)


def _check_files(files: list[zipfile.ZipInfo]) -> None:
    if len(files) > _MAX_FILES:
        raise _refused(f"it holds {len(files):,} files, more than {_MAX_FILES:,}")
    seen: set[str] = set()
    for file in files:
        # orig_filename is what stands in the archive; zipfile cuts filename at a NUL.
        name = file.orig_filename
        if name not in (_PROJECT, _MANIFEST) and not _CONFIGURATION.fullmatch(name):
            raise _refused(f"it holds {_shown(name)}; only {_PROJECT} and conf/**/*.yaml may be in")
        kind = stat.S_IFMT(file.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise _refused(f"{_shown(name)} in it is not a plain file")
        if file.flag_bits & 0x1:
            raise _refused(f"{_shown(name)} in it is encrypted")
        if name in seen:
            raise _refused(f"it holds {_shown(name)} twice")
        seen.add(name)
        if file.file_size > _MAX_FILE:
            raise _refused(f"{_shown(name)} in it unpacks to more than {_MAX_FILE:,} bytes")
    if sum(file.file_size for file in files) > _MAX_TOTAL:
        raise _refused(f"it unpacks to more than {_MAX_TOTAL:,} bytes")
    if _PROJECT not in seen:
        raise _refused(f"it holds no {_PROJECT}")


def _check_components(project: dict[str, Any]) -> None:
    try:
        components = dict(project["tool"]["flwr"]["app"]["components"])
    except (KeyError, TypeError, ValueError):
        raise _refused(f"its {_PROJECT} names no app") from None
    for name in components:
        if name not in _COMPONENTS:
            raise _refused(f"its {_PROJECT} names a component {_shown(name)}")
    if components.get("clientapp") != CLIENT_APP:
        named = _shown(str(components.get("clientapp")))
        raise _refused(f"its client app is {named}, which is not the installed '{CLIENT_APP}'")


def _shown(name: str) -> str:
    """Quote a stranger's word: printable and short."""
    return repr(name if len(name) <= 80 else f"{name[:80]}...")


def _refused(why: str) -> ReleaseError:
    return ReleaseError(f"The bank refuses the run's bundle: {why}.")
