"""Checkpoints: one file a run, written after each round, that holds all a run needs to go on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from fed_credit.errors import ArtefactError
from fed_credit.features.preprocessor import Preprocessor
from fed_credit.files import replacing
from fed_credit.models.protocol import Weights
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.state import ExactState, RoundMetrics, RunState, TrainingState

_FORMAT = "1"


def weights_sha256(weights: Sequence[np.ndarray]) -> str:
    """Hash weights: type, shape and bytes of each array in order."""
    digest = hashlib.sha256()
    for array in weights:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def save_checkpoint(path: Path, state: RunState, spec: RunSpec) -> None:
    """Write a checkpoint in one step.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file.
    state : TrainingState or ExactState
        Where the run stands.
    spec : RunSpec
        The run it belongs to.
    """
    from safetensors.numpy import save

    about, arrays = _taken_apart(state)
    metadata = {"format": _FORMAT, "spec": spec.json_text, **about}
    metadata["sha256"] = _digest(metadata, arrays)
    body = save({k: np.ascontiguousarray(v) for k, v in arrays.items()}, metadata)
    with replacing(path) as temporary:
        # Not safetensors' own writing, whose error for a full disk is none of the system's.
        temporary.write_bytes(body)


def load_checkpoint(path: Path, spec: RunSpec) -> RunState | None:
    """Read a checkpoint.

    Parameters
    ----------
    path : Path
        The file; it need not exist.
    spec : RunSpec
        The run that wants to go on.

    Returns
    -------
    TrainingState, ExactState or None
        ``None`` if there is no checkpoint.

    Raises
    ------
    ArtefactError
        If the file is broken or belongs to another run.
    """
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata["format"] != _FORMAT or metadata["spec"] != spec.json_text:
                raise ArtefactError(
                    f"Checkpoint {path} belongs to another configuration or version; start afresh"
                    " in another run folder."
                )
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata["sha256"] != _digest(metadata, arrays):
            raise ValueError("its contents are not those that were written")
        return _put_together(metadata, arrays)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise ArtefactError(
            f"Checkpoint {path} cannot be read ({error}); delete it to train from the start."
        ) from None


def _taken_apart(state: RunState) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Return a state as text by name and arrays by name."""
    about: dict[str, Any] = {
        "round": state.round,
        "best_round": state.best_round,
        "history": [asdict(metrics) for metrics in state.history],
    }
    if isinstance(state, ExactState):
        arrays = {f"notes/{name}": array for name, array in state.arrays.items()}
        if state.model is not None:
            arrays["model"] = state.model
        return {"state": json.dumps(about), "notes": state.notes}, arrays
    arrays = {f"weights/{k}": array for k, array in enumerate(state.weights)}
    arrays |= {f"best/{k}": array for k, array in enumerate(state.best_weights)}
    arrays |= {f"server/{name}": array for name, array in state.server.items()}
    about |= {"bad_weight": state.bad_weight, "log_odds_offset": state.log_odds_offset}
    return {"state": json.dumps(about), "preprocessor": state.preprocessor.json_text}, arrays


def _put_together(metadata: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> RunState:
    about = json.loads(metadata["state"])
    about["history"] = [RoundMetrics(**metrics) for metrics in about["history"]]
    if "notes" in metadata:
        return ExactState(
            **about,
            notes=metadata["notes"],
            arrays=_within(arrays, "notes/"),
            model=arrays.get("model"),
        )
    return TrainingState(
        **about,
        preprocessor=Preprocessor.from_json(metadata["preprocessor"]),
        weights=_in_order(arrays, "weights"),
        best_weights=_in_order(arrays, "best"),
        server=_within(arrays, "server/"),
    )


def _digest(metadata: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> str:
    names = sorted(arrays)
    texts = [metadata[key] for key in ("spec", "state", "preprocessor", "notes") if key in metadata]
    parts = [*texts, *names, weights_sha256([arrays[name] for name in names])]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _within(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _in_order(arrays: Mapping[str, np.ndarray], prefix: str) -> Weights:
    count = sum(name.startswith(f"{prefix}/") for name in arrays)
    return [arrays[f"{prefix}/{k}"] for k in range(count)]
