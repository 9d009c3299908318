"""Writing and reading a model's file: a zip of readable parts with a hash of each, no pickle.

Equal contents give equal bytes: parts are in the order of their names and carry no time.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fed_credit import __version__
from fed_credit.artefact import artefact_files, read_artefact
from fed_credit.data.schema_text import read_schema, schema_text
from fed_credit.decision.calibration import PdCalibration
from fed_credit.decision.policy import DecisionPolicy
from fed_credit.errors import ArtefactError, ConfigurationError, SchemaError
from fed_credit.files import plain, replacing
from fed_credit.model_file.card import CARDS, cards
from fed_credit.model_file.contents import ModelFile
from fed_credit.model_file.unpack import FORMAT, MANIFEST, changes, read_body, unpacked

SUFFIX = ".fcm"
_MODEL, _SCHEMA = "model/", "schema.yaml"
_CALIBRATION, _POLICY, _EVALUATION, _REFERENCE, _PROVENANCE = (
    "calibration.json",
    "policy.json",
    "evaluation.json",
    "reference.json",
    "provenance.json",
)
_NO_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Opened:
    """A model's file that was read.

    Parameters
    ----------
    model : ModelFile
        What it holds.
    sha256 : str
        Hash of the manifest, and so of all parts but the signature: the model's name for life.
    body : bytes
        The file.
    parts : mapping of str to bytes
        All parts by name.
    """

    model: ModelFile
    sha256: str
    body: bytes
    parts: Mapping[str, bytes]


def parts_of(model: ModelFile) -> dict[str, bytes]:
    """Return the parts of a model's file by name, the manifest among them."""
    parts = {f"{_MODEL}{name}": body for name, body in artefact_files(model.artefact).items()}
    parts[_SCHEMA] = schema_text(model.schema).encode()
    for name, body in (
        (_CALIBRATION, model.calibration.as_dict()),
        (_POLICY, model.policy.as_dict()),
        (_EVALUATION, model.evaluation),
        (_REFERENCE, model.reference),
        (_PROVENANCE, model.provenance),
    ):
        parts[name] = _json(body)
    for language, text in cards(model).items():
        parts[CARDS[language]] = text.encode()
    manifest = {
        "format": FORMAT,
        "fed_credit": __version__,
        "family": model.artefact.spec.family,
        "model_sha256": model.artefact.sha256,
        "files": {name: hashlib.sha256(parts[name]).hexdigest() for name in sorted(parts)},
    }
    return {**parts, MANIFEST: _json(manifest)}


def packed(parts: Mapping[str, bytes]) -> bytes:
    """Return parts as one file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(parts):
            info = zipfile.ZipInfo(name, _NO_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, parts[name])
    return out.getvalue()


def write_model_file(path: Path, model: ModelFile) -> Opened:
    """Write a model's file in one step.

    Parameters
    ----------
    path : Path
        Where.
    model : ModelFile
        What.

    Returns
    -------
    Opened
        What was written.

    Raises
    ------
    FedCreditError
        If it cannot be written.
    """
    parts = parts_of(model)
    body = packed(parts)
    write_bytes(path, body)
    return Opened(model, identity(parts), body, parts)


def write_bytes(path: Path, body: bytes) -> None:
    """Write a file in one step; what a failure of power leaves is the old file or the new one."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def identity(parts: Mapping[str, bytes]) -> str:
    """Return what names a model: the hash of its manifest."""
    return hashlib.sha256(parts[MANIFEST]).hexdigest()


def open_model_file(path: Path) -> Opened:
    """Read a model's file and check every hash.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Opened

    Raises
    ------
    ArtefactError
        If it is missing, damaged, changed, or of another format; says which part.
    """
    return opened(read_body(path), str(path))


def opened(body: bytes, where: str) -> Opened:
    """Read a model's file from its bytes; see :func:`open_model_file`."""
    parts = unpacked(body, where)
    problems = changes(parts)
    if problems:
        raise ArtefactError(f"Model {where} was changed or damaged: {problems[0]}; restore it.")
    try:
        for card in CARDS.values():
            parts[card].decode()
        model = ModelFile(
            artefact=read_artefact(lambda name: parts[_MODEL + name], where),
            schema=read_schema(parts[_SCHEMA].decode(), f"{where}: {_SCHEMA}"),
            calibration=PdCalibration.from_dict(json.loads(parts[_CALIBRATION])),
            policy=DecisionPolicy.from_dict(json.loads(parts[_POLICY])),
            evaluation=json.loads(parts[_EVALUATION]),
            reference=json.loads(parts[_REFERENCE]),
            provenance=json.loads(parts[_PROVENANCE]),
        )
    except (
        ConfigurationError,
        SchemaError,
        LookupError,
        RecursionError,  # of JSON that is nothing but brackets
        TypeError,
        ValueError,
    ) as error:
        reason = str(error).rstrip(".")
        raise ArtefactError(f"Model {where} cannot be read ({reason}); restore it.") from None
    return Opened(model, identity(parts), body, parts)


def _json(body: Any) -> bytes:
    return (json.dumps(plain(body), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
