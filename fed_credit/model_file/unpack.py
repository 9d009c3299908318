"""Taking a model's file apart without trusting it: what it claims of sizes and names counts for
nothing, and nothing is unpacked to a disk.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from fed_credit.errors import ArtefactError

FORMAT = 1
MANIFEST, SIGNATURE = "manifest.json", "signature.json"

_LARGEST_FILE = 2**28  # bytes
_LARGEST = 2**29  # bytes, unpacked
_LARGEST_OF = {MANIFEST: 2**20, SIGNATURE: 2**12}  # bytes, of parts that are read before all others
_MOST_PARTS = 256
_PIECE = 2**16
_NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]*/)*[A-Za-z0-9_][A-Za-z0-9._-]*")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
# The record at a zip's end (APPNOTE 4.3.16): entries, then size and place of the directory.
_END, _END_MARK, _LONGEST_COMMENT = struct.Struct("<4s4H2LH"), b"PK\x05\x06", 2**16
_DIRECTORY_ENTRY = 46 + 512  # bytes of an entry in the directory, with a long name


def read_body(path: Path) -> bytes:
    """Read a file that may be a model's.

    Raises
    ------
    ArtefactError
        If it is missing, or larger than a model can be.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > _LARGEST_FILE:
                raise _too_large(str(path))
            body = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise ArtefactError(
            f"Model {path} cannot be read ({error.strerror or error}); check the path."
        ) from None
    _check_size(body, str(path))
    return body


def unpacked(body: bytes, where: str) -> dict[str, bytes]:
    """Return the parts of a model's file as they lie there, their hashes unchecked.

    Parameters
    ----------
    body : bytes
        The file.
    where : str
        What to call it in messages.

    Returns
    -------
    dict of str to bytes

    Raises
    ------
    ArtefactError
        If it is no model's file or not a whole one, holds a part twice or under a name that leads
        elsewhere, or would fill the memory.
    """
    _check_size(body, where)
    _check_directory(body, where)
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            infos = archive.infolist()
            _check_names(infos, where)
            parts: dict[str, bytes] = {}
            left = _LARGEST
            for info in infos:
                most = min(left, _LARGEST_OF.get(info.filename, _LARGEST))
                parts[info.filename] = _read(archive, info, most, where)
                left -= len(parts[info.filename])
    except (
        EOFError,
        NotImplementedError,
        OSError,
        RuntimeError,
        ValueError,
        struct.error,
        zipfile.BadZipFile,
        zlib.error,
    ):
        raise _no_model(where) from None
    if MANIFEST not in parts:
        raise ArtefactError(f"{where} is no model's file: it has no {MANIFEST}.")
    return parts


def changes(parts: Mapping[str, bytes]) -> list[str]:
    """Return what is not as the manifest says, a phrase for each part; empty if all is."""
    try:
        manifest = json.loads(parts[MANIFEST])
        form = manifest["format"]
        expected = {str(name): str(digest) for name, digest in manifest["files"].items()}
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return [f"'{MANIFEST}' cannot be read"]
    if form != FORMAT:
        return [f"its format is {str(form)[:20]!r}, and this version reads {FORMAT}"]
    found = []
    for name, digest in expected.items():
        if name not in parts:
            found.append(f"'{name[:80]}' is missing")
        elif hashlib.sha256(parts[name]).hexdigest() != digest:
            found.append(f"'{name}' is not what the manifest says")
    for name in sorted(set(parts) - set(expected) - {MANIFEST, SIGNATURE}):
        found.append(f"'{name}' was added")
    return found


def _check_size(body: bytes, where: str) -> None:
    if len(body) > _LARGEST_FILE:
        raise _too_large(where)


def _check_directory(body: bytes, where: str) -> None:
    """Refuse a directory of millions of entries before Python reads it into as many objects."""
    tail = body[-(_END.size + _LONGEST_COMMENT) :]
    place = tail.rfind(_END_MARK)
    if place < 0 or len(tail) - place < _END.size:
        raise _no_model(where)
    entries, size = _END.unpack_from(tail, place)[4:6]
    if entries > _MOST_PARTS or size > _MOST_PARTS * _DIRECTORY_ENTRY:
        raise ArtefactError(
            f"Model {where} claims more than {_MOST_PARTS} parts, which no model has; refused."
        )


def _check_names(infos: list[zipfile.ZipInfo], where: str) -> None:
    names = [info.filename for info in infos]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ArtefactError(f"Model {where} holds the part {twice[:80]!r} twice; refused.")
    for info in infos:
        # Python cuts a name at a zero byte; the original tells.
        if not _NAME.fullmatch(info.orig_filename) or len(info.filename) > 200:
            raise ArtefactError(
                f"Model {where} holds a part named {info.orig_filename[:80]!r}, as none of a model"
                " is; refused."
            )
        if info.compress_type not in _METHODS or info.flag_bits & _ENCRYPTED:
            raise ArtefactError(
                f"Model {where} holds the part {info.filename!r} encrypted or packed in a way that"
                " no model is; refused."
            )


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int, where: str) -> bytes:
    """Read a part piece by piece, whatever size it claims to have."""
    pieces, size = [], 0
    with archive.open(info) as file:
        while piece := file.read(_PIECE):
            size += len(piece)
            if size > most:
                raise ArtefactError(
                    f"Model {where} holds the part {info.filename!r}, which is larger unpacked than"
                    " it can be; refused."
                )
            pieces.append(piece)
    return b"".join(pieces)


def _too_large(where: str) -> ArtefactError:
    return ArtefactError(
        f"Model {where} is larger than {_LARGEST_FILE // 2**20} MiB, which no model is; refused."
    )


def _no_model(where: str) -> ArtefactError:
    return ArtefactError(f"{where} is no model's file, or not a whole one; copy it again.")
