"""Model files of small real runs, made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from fed_credit.config.load import compose
from fed_credit.config.spec import SimulationSpec
from fed_credit.model_file.archive import Opened, open_model_file
from fed_credit.simulate import SimulationResult, simulate


@dataclass(frozen=True)
class Made:
    """A run and the file that it left."""

    spec: SimulationSpec
    result: SimulationResult
    path: Path
    opened: Opened


@pytest.fixture(scope="session")
def model_run(tmp_path_factory: pytest.TempPathFactory, tiny_overrides: list[str]) -> Made:
    """A small network over three banks, compared with each bank alone."""
    folder = tmp_path_factory.mktemp("model-file") / "run"
    given = [
        *tiny_overrides,
        "data.generator.num_loans=2500",
        "evaluation.baselines=[local]",
        f"run_dir='{folder}'",
    ]
    spec = compose(given)
    result = simulate(spec, show=False)
    path = folder / "model.fcm"
    return Made(spec, result, path, open_model_file(path))


@pytest.fixture
def loans(model_run: Made) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcome, part and the federated PD of every loan of :func:`model_run`."""
    folder = model_run.result.run_dir
    with np.load(folder / "loans.npz") as found:
        y, parts = found["y"], found["parts"][0]
    with np.load(folder / "repeats" / "000" / "scores.npz") as found:
        return y, parts, found["score/federated"]
