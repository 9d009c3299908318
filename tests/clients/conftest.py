"""Banks of the in-memory data set, as their own clients see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from clients.bank import Bank
from fed_credit.config.bank import PolicySpec
from fed_credit.config.convert import build
from fed_credit.config.location import deploy_dir
from fed_credit.config.yaml_file import read_mapping
from fed_credit.data.book import Dataset, Part
from fed_credit.drift.question import write_question
from fed_credit.drift.reference import ReferenceQuestion
from fed_credit.features.preprocessor import Preprocessor, fit_pooled
from fed_credit.models import family
from fed_credit.models.protocol import Weights
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.task import TaskConfig


@pytest.fixture
def banks(dataset: Dataset, parts: np.ndarray) -> list[Bank]:
    return [Bank(book, parts[dataset.rows(k)]) for k, book in enumerate(dataset.books())]


@pytest.fixture
def limits() -> PolicySpec:
    """What a bank allows that says nothing else, but for fewer loans."""
    packaged = build(PolicySpec, read_mapping(deploy_dir() / "bank.yaml")["policy"])
    return replace(packaged, min_loans=10)


@pytest.fixture(scope="session")
def pooled_preprocessor(
    dataset: Dataset, parts: np.ndarray, make_run_spec: Callable[..., RunSpec]
) -> Preprocessor:
    spec, rows = make_run_spec(), np.flatnonzero(parts == Part.TRAIN)
    frame, y = dataset.features.iloc[rows], dataset.y[rows]
    return fit_pooled(spec.features, frame, y, spec.preprocessing)


@pytest.fixture(scope="session")
def task_config(
    pooled_preprocessor: Preprocessor, make_run_spec: Callable[..., RunSpec]
) -> TaskConfig:
    spec = make_run_spec()
    # What a monitor is asked; tasks that ask nothing do not look at it.
    question = write_question(ReferenceQuestion(spec.features, spec.histogram_bins))
    return TaskConfig(spec, number=1, preprocessor=pooled_preprocessor, question=question)


@pytest.fixture(scope="session")
def weights(task_config: TaskConfig) -> Weights:
    spec, columns = task_config.spec, len(task_config.fitted.columns)
    return family(spec.model.family).initial_weights(columns, spec.model, 3)
