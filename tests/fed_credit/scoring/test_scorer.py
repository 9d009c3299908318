"""The scorer of tables: what it gives does not depend on what stands beside a loan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fed_credit.data.schema import Schema
from fed_credit.errors import ArtefactError
from fed_credit.explain.reasons import reasons
from fed_credit.model_file.contents import ModelFile
from fed_credit.scoring.scorer import Explain, Scorer

Models = Callable[[str, str], ModelFile]


@pytest.fixture(scope="module")
def applications(model_of: Models, make_application: Callable[..., dict[str, Any]]) -> pd.DataFrame:
    fields = Scorer(model_of("gbdt", "everything")).fields
    rng = np.random.default_rng(2)
    return pd.DataFrame([make_application(fields, rng) for _ in range(300)], dtype=object)


@pytest.mark.parametrize("family", ["scorecard", "logreg_exact", "gbdt", "mlp_small"])
def test_a_loan_s_figures_do_not_depend_on_its_neighbours(
    model_of: Models, applications: pd.DataFrame, family: str
) -> None:
    scorer = Scorer(model_of(family, "everything"))
    frame = scorer.validated(applications).frame
    assert len(frame) > 100
    whole = scorer.scores(frame)
    rows = np.random.default_rng(1).permutation(len(frame))[: len(frame) // 2]
    some = scorer.scores(frame.iloc[rows])
    for name in ("model_pd", "pd", "score", "grade", "verdict"):
        assert getattr(some, name).tobytes() == getattr(whole, name)[rows].tobytes(), name
    assert whole.model_pd.tolist() == pytest.approx(scorer.model.artefact.score(frame).tolist())


@pytest.mark.parametrize("family", ["scorecard", "logreg_exact", "gbdt", "tree"])
def test_reasons_are_those_of_the_explanations(
    model_of: Models, applications: pd.DataFrame, family: str
) -> None:
    model = model_of(family, "everything")
    scorer = Scorer(model)
    frame = scorer.validated(applications).frame
    expected = reasons(model.artefact, frame, model.policy.reasons, model.schema.fields)
    found = scorer.reasons(frame)
    assert [
        [(one.feature, one.value, one.amount, one.en, one.zh) for one in loan] for loan in found
    ] == [
        [(one.feature, one.value, one.amount, one.en, one.zh) for one in loan.reasons]
        for loan in expected
    ]
    assert {one.unit for loan in found for one in loan} == {expected[0].unit}


def test_features_alone_will_do(model_of: Models, applications: pd.DataFrame) -> None:
    scorer = Scorer(model_of("gbdt", "everything"))
    frame = scorer.validated(applications).frame
    names = [feature.name for feature in scorer.model.artefact.model.features]
    raw = frame[list(scorer.inputs)]
    assert scorer.scores(frame[names]).pd.tobytes() == scorer.scores(frame).pd.tobytes()
    assert scorer.scores(raw).pd.tobytes() == scorer.scores(frame).pd.tobytes()


def test_only_those_asked_for_are_explained(model_of: Models, applications: pd.DataFrame) -> None:
    scorer = Scorer(model_of("scorecard", "everything"))
    none, declined, every = (scorer.table(applications, explain) for explain in Explain)
    assert not any(none.reasons) and all(len(told) for told in every.reasons)
    assert 0 < sum(map(bool, declined.reasons)) == (declined.scores.verdict == 2).sum()
    for told, verdict, full in zip(
        declined.reasons, declined.scores.verdict, every.reasons, strict=True
    ):
        assert told == (full if verdict == 2 else ())


def test_a_model_and_a_schema_that_compute_a_feature_otherwise_are_refused(
    model_of: Models,
) -> None:
    model = model_of("gbdt", "everything")
    schema: Schema = model.schema
    other = replace(schema.fields["log_amount"], formula="log(amount + 1)")
    changed = replace(schema, fields={**schema.fields, "log_amount": other})
    with pytest.raises(ArtefactError, match="computes 'log_amount' otherwise than its schema"):
        Scorer(replace(model, schema=changed))
