"""One small model of each exact family, and the loans that it was fitted on."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from fed_credit.artefact import Artefact
from fed_credit.data.book import Dataset, Part
from fed_credit.families.alone import train_pooled
from fed_credit.families.protocol import Model
from fed_credit.training.alone import Loans
from fed_credit.training.run_spec import RunSpec

SMALL = {
    "scorecard": ("model.selection.min_iv=0.001",),
    "logreg_exact": (),
    "gbdt": ("federation.num_rounds=6", "model.trees.max_depth=3"),
    "tree": (),
}


@pytest.fixture(scope="session")
def fitted(
    dataset: Dataset, parts: np.ndarray, make_run_spec: Callable[..., RunSpec]
) -> Callable[[str], Artefact]:
    """Fit a family on the training loans of all three banks."""

    def loans(part: Part) -> Loans:
        rows = np.flatnonzero(parts == part)
        return Loans(dataset.features.iloc[rows], dataset.y[rows])

    @cache
    def fit(family: str) -> Artefact:
        run = make_run_spec(f"model={family}", *SMALL[family])
        model: Model = train_pooled(loans(Part.TRAIN), loans(Part.VALIDATION), run, None)  # type: ignore[assignment]
        return Artefact(run.model, model, {})

    return fit
