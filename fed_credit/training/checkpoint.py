"""Checkpoints: one file a run, written after each round, that holds all a run needs to go on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from fed_credit.errors import ArtefactError
from fed_credit.features.preprocessor import Preprocessor
from fed_credit.files import replacing
from fed_credit.models.protocol import Weights
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.state import RoundMetrics, TrainingState

_FORMAT = "1"


def weights_sha256(weights: Sequence[np.ndarray]) -> str:
    """Hash weights: type, shape and bytes of each array in order."""
    digest = hashlib.sha256()
    for array in weights:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def save_checkpoint(path: Path, state: TrainingState, spec: RunSpec) -> None:
    """Write a checkpoint in one step.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file.
    state : TrainingState
        Where the run stands.
    spec : RunSpec
        The run it belongs to.
    """
    from safetensors.numpy import save

    arrays = {f"weights/{k}": array for k, array in enumerate(state.weights)}
    arrays |= {f"best/{k}": array for k, array in enumerate(state.best_weights)}
    arrays |= {f"server/{name}": array for name, array in state.server.items()}
    about = {
        "round": state.round,
        "best_round": state.best_round,
        "bad_weight": state.bad_weight,
        "log_odds_offset": state.log_odds_offset,
        "history": [asdict(metrics) for metrics in state.history],
    }
    metadata = {
        "format": _FORMAT,
        "spec": spec.json_text,
        "state": json.dumps(about),
        "preprocessor": state.preprocessor.json_text,
    }
    metadata["sha256"] = _digest(metadata, arrays)
    body = save({k: np.ascontiguousarray(v) for k, v in arrays.items()}, metadata)
    with replacing(path) as temporary:
        # Not safetensors' own writing, whose error for a full disk is none of the system's.
        temporary.write_bytes(body)


def load_checkpoint(path: Path, spec: RunSpec) -> TrainingState | None:
    """Read a checkpoint.

    Parameters
    ----------
    path : Path
        The file; it need not exist.
    spec : RunSpec
        The run that wants to go on.

    Returns
    -------
    TrainingState or None
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
        about = json.loads(metadata["state"])
        return TrainingState(
            preprocessor=Preprocessor.from_json(metadata["preprocessor"]),
            bad_weight=about["bad_weight"],
            log_odds_offset=about["log_odds_offset"],
            weights=_in_order(arrays, "weights"),
            best_weights=_in_order(arrays, "best"),
            round=about["round"],
            best_round=about["best_round"],
            history=[RoundMetrics(**metrics) for metrics in about["history"]],
            server={
                name.removeprefix("server/"): array
                for name, array in arrays.items()
                if name.startswith("server/")
            },
        )
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise ArtefactError(
            f"Checkpoint {path} cannot be read ({error}); delete it to train from the start."
        ) from None


def _digest(metadata: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> str:
    names = sorted(arrays)
    texts = [metadata[key] for key in ("spec", "state", "preprocessor")]
    parts = [*texts, *names, weights_sha256([arrays[name] for name in names])]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _in_order(arrays: dict[str, np.ndarray], prefix: str) -> Weights:
    count = sum(name.startswith(f"{prefix}/") for name in arrays)
    return [arrays[f"{prefix}/{k}"] for k in range(count)]
