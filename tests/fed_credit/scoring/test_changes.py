"""What would change a decision: each alternative leads to approval, and needs all its changes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fed_credit.data.schema import Field, Kind, parse_schema
from fed_credit.decision.policy import Verdict
from fed_credit.errors import SchemaError
from fed_credit.model_file.contents import ModelFile
from fed_credit.scoring.changes import Alternative, what_would_change
from fed_credit.scoring.record import RecordError, RecordScorer
from fed_credit.scoring.scorer import Explain

Models = Callable[[str, str], ModelFile]
Draw = Callable[..., dict[str, Any]]
CASES = [
    ("scorecard", "synthetic"),
    ("logreg_exact", "synthetic"),
    ("gbdt", "everything"),
    ("scorecard", "everything"),
    ("mlp_small", "synthetic"),
    ("logreg_exact", "sba"),
    ("logreg_exact", "uci_default_credit"),
]


def declined(scorer: RecordScorer, make: Draw, count: int, seed: int = 2) -> list[dict[str, Any]]:
    """Draw applications that are not approved."""
    rng = np.random.default_rng(seed)
    found: list[dict[str, Any]] = []
    while len(found) < count:
        record = make(scorer.fields, rng)
        try:
            verdict = scorer.score(record, Explain.NONE).verdict
        except RecordError:
            continue
        if verdict is not Verdict.APPROVE:
            found.append(record)
    return found


def approved(scorer: RecordScorer, record: dict[str, Any]) -> bool:
    try:
        return scorer.score(record, Explain.NONE).verdict is Verdict.APPROVE
    except RecordError:
        return False


@pytest.mark.parametrize(("family", "schema"), CASES)
def test_each_alternative_is_approved_and_needs_all_its_changes(
    model_of: Models, make_application: Draw, family: str, schema: str
) -> None:
    scorer = RecordScorer(model_of(family, schema))
    helped = 0
    for record in declined(scorer, make_application, 8):
        found = what_would_change(scorer, record)
        assert len(found) <= 3
        fields = [frozenset(change.field for change in each.changes) for each in found]
        assert len(set(fields)) == len(fields)
        for each in found:
            helped += 1
            after = {change.field: change.after for change in each.changes}
            assert scorer.score({**record, **after}, Explain.NONE) == each.score
            assert each.score.verdict is Verdict.APPROVE
            for size in range(len(after)):
                for some in itertools.combinations(after.items(), size):
                    if size == len(after) - 1 or size <= 1:
                        assert not approved(scorer, {**record, **dict(some)})
            for change in each.changes:
                field = scorer.fields[change.field]
                assert field.changeable and change.before == record.get(change.field)
                assert_proposable(field, change.after)
    assert helped


def assert_proposable(field: Field, value: Any) -> None:
    """Within the bounds, and what a person would propose."""
    if field.kind is Kind.CATEGORICAL:
        assert value in field.values
    elif field.kind is Kind.BOOLEAN:
        assert value in (*field.true_values, *field.false_values)
    else:
        assert (field.min is None or value >= field.min) and (
            field.max is None or value <= field.max
        )
        if field.unit == "months":
            assert float(value).is_integer()
        else:
            assert float(f"{value:.1e}") == value  # two digits


def test_a_single_change_of_a_number_is_the_least_that_suffices(
    model_of: Models, make_application: Draw
) -> None:
    """Against a search by hand over all whole terms, the field that a tree looks at directly."""
    scorer = RecordScorer(model_of("gbdt", "everything"))
    checked = 0
    for record in declined(scorer, make_application, 40):
        singles = {
            each.changes[0].field: each.changes[0]
            for each in what_would_change(scorer, record, most=10)
            if len(each.changes) == 1
        }
        terms = [k for k in range(1, 61) if approved(scorer, {**record, "term": k})]
        assert ("term" in singles) == bool(terms)
        kinds = [v for v in scorer.fields["kind"].values if approved(scorer, {**record, "kind": v})]
        assert ("kind" in singles) == bool(kinds)
        if kinds:
            assert singles["kind"].after in kinds
        checked += bool(terms) + bool(kinds)
    assert checked


def test_the_answer_is_the_same_each_time(model_of: Models, make_application: Draw) -> None:
    scorer = RecordScorer(model_of("logreg_exact", "synthetic"))
    (record,) = declined(scorer, make_application, 1)
    first = what_would_change(scorer, record)
    assert what_would_change(RecordScorer(scorer.model), dict(reversed(record.items()))) == first
    assert what_would_change(scorer, record, most=1) == first[:1]


def test_nothing_is_said_where_nothing_helps(model_of: Models, make_application: Draw) -> None:
    model = model_of("scorecard", "synthetic")
    scorer = RecordScorer(model)
    (record,) = declined(scorer, make_application, 1)
    strict = replace(model, policy=replace(model.policy, approve_below=0.0))
    assert what_would_change(RecordScorer(strict), record) == ()
    lenient = replace(model, policy=replace(model.policy, approve_below=1.0, decline_from=1.0))
    assert what_would_change(RecordScorer(lenient), record) == ()  # it is approved
    fixed = {name: replace(field, changeable=False) for name, field in model.schema.fields.items()}
    unmoved = replace(model, schema=replace(model.schema, fields=fixed))
    assert what_would_change(RecordScorer(unmoved), record) == ()
    with pytest.raises(RecordError):
        what_would_change(scorer, {**record, "requested_amount": None})


def test_sentences_name_labels_units_and_both_values(
    model_of: Models, make_application: Draw
) -> None:
    scorer = RecordScorer(model_of("logreg_exact", "everything"))
    texts: dict[str, Alternative] = {}
    for record in declined(scorer, make_application, 60):
        for each in what_would_change(scorer, record):
            for change in each.changes:
                texts[change.field] = each
                if change.field == "amount":
                    given = scorer.raw_values(record)["amount"]
                    assert isinstance(given, float)
                    before = f"{given:,.0f}" if given >= 1000 else f"{given:.4g}"
                    after = f"{change.after:,.0f}"
                    assert change.en == f"Requested amount {after} CNY instead of {before} CNY"
                    assert change.zh == f"申请金额由{before} 元改为{after} 元"
                if change.field == "kind" and change.after == "farm":
                    assert change.en.startswith("Kind farming instead of ")
                    assert change.zh.endswith("改为农业")
    assert "kind" in texts and "amount" in texts


def test_the_schema_says_what_can_be_changed(tmp_path: Path) -> None:
    text = (
        "fields:\n  a: {kind: numeric, changeable: true}\n"
        "  b: {kind: numeric, formula: 'a * 2'CHANGE}\n  d: {kind: dateDATE}\n"
    )
    schema = parse_schema(text.replace("CHANGE", "").replace("DATE", ""), "x.yaml")
    assert schema.fields["a"].changeable and not schema.fields["b"].changeable
    with pytest.raises(SchemaError, match="'b' has a formula and cannot be changeable"):
        parse_schema(text.replace("CHANGE", ", changeable: true").replace("DATE", ""), "x.yaml")
    with pytest.raises(SchemaError, match="'d' of kind date cannot be changeable"):
        parse_schema(text.replace("CHANGE", "").replace("DATE", ", changeable: true"), "x.yaml")
