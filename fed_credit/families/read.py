"""Models from the files of an artefact, from a message, and from where a run stands."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from fed_credit.config.names import EXACT_FAMILIES, TREE_FAMILIES
from fed_credit.config.spec import ModelSpec
from fed_credit.errors import ArtefactError, FedCreditError, ReleaseError
from fed_credit.families.network import NetworkModel
from fed_credit.families.protocol import Model
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.state import RunState, TrainingState

_LARGEST = 2**28  # bytes of a model, unpacked


def read_model(spec: ModelSpec, files: Mapping[str, bytes], settings: Mapping[str, Any]) -> Model:
    """Read a model from the files of its artefact.

    Parameters
    ----------
    spec : ModelSpec
        Its family.
    files : mapping of str to bytes
        Contents by name, as in :attr:`~fed_credit.families.protocol.Model.files`.
    settings : mapping of str to object
        As in :attr:`~fed_credit.families.protocol.Model.settings`.

    Raises
    ------
    ArtefactError, SafetensorError, LookupError, TypeError, ValueError
        If they are not those of such a model.
    """
    if spec.family == "logreg_exact":
        from fed_credit.families.logistic import LogisticModel

        return LogisticModel.read(files)
    if spec.family == "scorecard":
        from fed_credit.families.card import ScorecardModel

        return ScorecardModel.read(files)
    if spec.family in TREE_FAMILIES:
        from fed_credit.families.boosted import TreesModel

        return TreesModel.read(spec, files)
    return NetworkModel.read(spec, files, settings)


def pack(model: Model) -> np.ndarray:
    """Return an exact model as it travels, ``(n,) uint8``: its files, compressed."""
    named = {name: base64.b85encode(body).decode() for name, body in sorted(model.files.items())}
    return np.frombuffer(zlib.compress(json.dumps(named).encode()), np.uint8)


def unpack(spec: ModelSpec, packed: np.ndarray) -> Model:
    """Read what :func:`pack` wrote; the same array is read once.

    Parameters
    ----------
    spec : ModelSpec
        The model's family.
    packed : numpy.ndarray
        ``(n,) uint8``.

    Raises
    ------
    ReleaseError
        If it is no model of that family; safe to send.
    """
    if spec.family not in EXACT_FAMILIES or packed.dtype != np.uint8 or packed.ndim != 1:
        raise _unreadable(spec)
    return _unpacked(_Key(spec), packed.tobytes())


class _Key:
    """A specification by which to look a model up: only the family matters for reading it."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

    def __hash__(self) -> int:
        return hash(self.spec.family)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.spec.family == self.spec.family


@lru_cache(maxsize=2)
def _unpacked(key: _Key, packed: bytes) -> Model:
    try:
        reader = zlib.decompressobj()
        body = reader.decompress(packed, _LARGEST)
        if not reader.eof:
            raise ValueError("it is too large or cut off")
        files = {name: base64.b85decode(text) for name, text in json.loads(body).items()}
        return read_model(key.spec, files, {})
    except (
        FedCreditError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
        zlib.error,
    ):
        raise _unreadable(key.spec) from None


def _unreadable(spec: ModelSpec) -> ReleaseError:
    return ReleaseError(
        f"The request holds no model of the family '{spec.family[:80]}' that this version reads;"
        " refused."
    )


def model_of(run: RunSpec, state: RunState) -> Model:
    """Return the best model of a run that has come to its end.

    Raises
    ------
    ArtefactError
        If it has not.
    """
    if isinstance(state, TrainingState):
        return NetworkModel(
            run.model, state.best_weights, state.preprocessor, state.log_odds_offset
        )
    if state.model is None:
        raise ArtefactError("The run has not come to a model yet; go on with it.")
    return unpack(run.model, state.model)
