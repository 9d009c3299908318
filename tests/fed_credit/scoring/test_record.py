"""A single application gets what a table of that one row gets: bits, words and rejections."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fed_credit.data.schema import Field
from fed_credit.decision.policy import VERDICTS
from fed_credit.model_file.contents import ModelFile
from fed_credit.scoring.record import RecordError, RecordScore, RecordScorer
from fed_credit.scoring.scorer import Explain, Scorer

CASES = [
    ("logreg_exact", "everything"),
    ("tree", "everything"),
    ("mlp_small", "everything"),
    ("scorecard", "synthetic"),
    ("logreg_exact", "sba"),
    ("gbdt", "uci_default_credit"),
    ("mlp_small", "synthetic"),
]
Models = Callable[[str, str], ModelFile]
Draw = Callable[..., dict[str, Any]]


def by_table(scorer: Scorer, record: Mapping[str, Any]) -> RecordScore | list[tuple[str, str]]:
    """Score an application as a table of one row; what is wrong with it, if anything."""
    found = scorer.table(
        pd.DataFrame([{name: record.get(name) for name in scorer.inputs}]), Explain.ALL
    )
    if not len(found.rows):
        rejected = found.rejected
        return list(zip(rejected["field"].tolist(), rejected["reason"].tolist(), strict=True))
    scores = found.scores
    return RecordScore(
        float(scores.model_pd[0]),
        float(scores.pd[0]),
        int(scores.score[0]),
        scorer.model.policy.scale.names[scores.grade[0]],
        VERDICTS[scores.verdict[0]],
        found.reasons[0],
    )


def by_record(
    scorer: RecordScorer, record: Mapping[str, Any]
) -> RecordScore | list[tuple[str, str]]:
    try:
        return scorer.score(record, Explain.ALL)
    except RecordError as error:
        return [(problem.field, problem.reason) for problem in error.problems]


@pytest.mark.parametrize("count", [12, pytest.param(300, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("family", "schema"), CASES)
def test_an_application_gets_what_a_table_of_one_row_gets(
    model_of: Models, make_application: Draw, family: str, schema: str, count: int
) -> None:
    model = model_of(family, schema)
    table, single = Scorer(model), RecordScorer(model)
    assert single.inputs == table.inputs
    rng = np.random.default_rng(11)
    verdicts, rejected = set(), 0
    for k in range(count):
        record = make_application(single.fields, rng, 0.15 * (k % 3) / 2)
        found = by_record(single, record)
        assert found == by_table(table, record), json.dumps(record)
        if isinstance(found, RecordScore):
            verdicts.add(found.verdict)
        else:
            rejected += 1
    assert verdicts and rejected


@pytest.mark.parametrize("family", ["scorecard", "logreg_exact", "gbdt", "tree"])
def test_many_applications_get_what_a_long_table_gives(
    model_of: Models, make_application: Draw, family: str
) -> None:
    model = model_of(family, "everything")
    single = RecordScorer(model)
    fields = single.fields
    rng = np.random.default_rng(12)
    records = [make_application(fields, rng) for _ in range(400)]
    for record in records:  # in a column of texts a truth value is a word like others
        for name, value in record.items():
            if isinstance(value, bool):
                spelled = fields[name].true_values if value else fields[name].false_values
                record[name] = spelled[0]
    found = Scorer(model).table(pd.DataFrame(records, dtype=object), Explain.ALL)
    assert len(found.rows) > 150
    for place, row in enumerate(found.rows.tolist()):
        score = by_record(single, records[row])
        assert isinstance(score, RecordScore)
        assert score.model_pd == found.scores.model_pd[place]
        assert score.pd == found.scores.pd[place] and score.score == found.scores.score[place]
        assert score.reasons == found.reasons[place]


def test_applications_tables_and_files_tell_raw_numbers_and_labels_alike(
    model_of: Models, make_application: Draw
) -> None:
    model = model_of("scorecard", "synthetic")
    model = replace(model, policy=replace(model.policy, reasons=30))
    single, table = RecordScorer(model), Scorer(model)
    rng = np.random.default_rng(21)
    records = [make_application(single.fields, rng) for _ in range(60)]
    for record in records:
        record["arrears_days"], record["sector"] = 23, "transport"
    found = table.table(pd.DataFrame(records, dtype=object), Explain.ALL)
    checked = table.validated(pd.DataFrame(records, dtype=object)).frame
    ranked = table.ranked(table.matrix(checked))
    assert ranked is not None
    written = table.told(ranked, checked, ("en", "zh"))
    assert written.en is not None and written.zh is not None
    sentences: dict[str, Any] = {}
    for place, row in enumerate(found.rows.tolist()):
        reasons = single.score(records[row], Explain.ALL).reasons
        assert reasons == found.reasons[place]
        for rank, reason in enumerate(reasons):
            assert written.en[rank * len(checked) + place].as_py() == reason.en
            assert written.zh[rank * len(checked) + place].as_py() == reason.zh
            sentences[reason.feature] = reason
    arrears, sector = sentences["log_arrears_days"], sentences["sector"]
    assert arrears.value == 23.0 and sector.value == "transport"
    assert arrears.en.startswith("Longest past arrears (last 24 months) is 23 days: ")
    assert arrears.zh.startswith("历史最长逾期天数（近24个月）为23 天：")
    assert sector.en.startswith("Sector is Transport: ")
    assert sector.zh.startswith("行业为交通运输业：")
    for name in ("amount_to_turnover", "debt_to_turnover", "collateral_coverage"):
        if name in sentences and sentences[name].value is not None:
            value = sentences[name].value
            assert f" is {value:.3g}: " in sentences[name].en


def test_only_those_asked_for_get_reasons(model_of: Models, make_application: Draw) -> None:
    scorer = RecordScorer(model_of("scorecard", "synthetic"))
    rng = np.random.default_rng(3)
    records = [make_application(scorer.fields, rng) for _ in range(40)]
    for record in records:
        full = scorer.score(record, Explain.ALL)
        assert scorer.score(record, Explain.NONE).reasons == ()
        declined = scorer.score(record)
        assert declined.reasons == (full.reasons if full.verdict == "decline" else ())


def test_absent_fields_are_missing_and_other_fields_of_the_schema_are_passed_over(
    model_of: Models, make_application: Draw
) -> None:
    scorer = RecordScorer(model_of("logreg_exact", "synthetic"))
    record = make_application(scorer.fields, np.random.default_rng(4))
    record["margin"] = None
    whole = scorer.score(record, Explain.ALL)
    del record["margin"]
    assert scorer.score({**record, "loan_id": ["any"], "log_amount": "x"}, Explain.ALL) == whole
    del record["requested_amount"]
    with pytest.raises(RecordError, match="requested_amount is missing") as caught:
        scorer.score(record)
    assert [problem.field for problem in caught.value.problems] == ["requested_amount"]


def test_a_field_that_the_schema_does_not_have_is_named_with_the_nearest(
    model_of: Models, make_application: Draw
) -> None:
    scorer = RecordScorer(model_of("scorecard", "synthetic"))
    record = make_application(scorer.fields, np.random.default_rng(4))
    with pytest.raises(RecordError) as caught:
        scorer.score({**record, "firm_agee": 3, "z" * 500: 1})
    first, second = caught.value.problems
    assert first.field == "firm_agee"
    assert first.reason == "is not a field of the schema. Did you mean 'firm_age'?"
    assert len(second.field) < 100 and second.reason == "is not a field of the schema."
    with pytest.raises(RecordError) as caught:
        scorer.score({f"unknown {k}": k for k in range(1000)})
    assert len(caught.value.problems) < 50


def test_no_value_stands_in_what_is_said_of_it(model_of: Models) -> None:
    scorer = RecordScorer(model_of("scorecard", "everything"))
    record = {name: "top secret" for name in scorer.inputs}
    with pytest.raises(RecordError) as caught:
        scorer.score(record)
    assert len(caught.value.problems) > 3 and "secret" not in str(caught.value)


@pytest.mark.parametrize("family", ["gbdt", pytest.param("scorecard", marks=pytest.mark.slow)])
def test_whatever_json_holds_is_scored_or_refused(
    model_of: Models, make_application: Draw, family: str
) -> None:
    scorer = RecordScorer(model_of(family, "everything"))
    rng = np.random.default_rng(9)
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    odd = [
        deep, {"a": deep}, [], {}, [1, 2], True, False, None, float("nan"), float("inf"),
        -float("inf"), 10**400, -(10**5000), 2**63, 2**64, -0.0, 1e-320, "x" * 10_000_000,
        "9" * 1_000_000, "1" + "0" * 400, "\ud800", "a\udfff\ud800b", "\x00", "２０", "1e-400",
        "2020-02-30", "0000-00-00", "99999999", "2020-01-01T" + "9" * 1000, "20200230",
    ]  # fmt: skip
    scored = 0
    for name in scorer.inputs:
        for value in odd:
            record = make_application(scorer.fields, rng)
            record[name] = value
            try:
                found = scorer.score(record, Explain.ALL)
            except RecordError as error:
                assert len(str(error)) < 2000
                continue
            scored += 1
            assert 0.0 <= found.pd <= 1.0
    assert scored > 50
    for whole in ([], "x", None, 3, {1: 2}, {None: 1}, {"\ud800": 1}):
        with pytest.raises(RecordError):
            scorer.score(whole)  # type: ignore[arg-type]
    # After the worst of them, the walls still stand: nothing is kept between applications.
    record = make_application(scorer.fields, rng)
    assert by_record(scorer, record) == by_record(RecordScorer(scorer.model), record)


def test_values_of_numpy_are_taken_as_python_s(model_of: Models, make_application: Draw) -> None:
    scorer = RecordScorer(model_of("gbdt", "synthetic"))
    fields: Mapping[str, Field] = scorer.fields
    record = make_application(fields, np.random.default_rng(6))
    typed = {
        name: np.float64(value) if isinstance(value, float)
        else np.int64(value) if type(value) is int
        else np.bool_(value) if isinstance(value, bool) else value
        for name, value in record.items()
    }  # fmt: skip
    assert by_record(scorer, typed) == by_record(scorer, record)


def test_threads_share_a_scorer(model_of: Models, make_application: Draw) -> None:
    scorer = RecordScorer(model_of("gbdt", "everything"))
    rng = np.random.default_rng(8)
    records = [make_application(scorer.fields, rng) for _ in range(60)]
    expected = [by_record(scorer, record) for record in records]
    results: list[list[Any]] = [[] for _ in range(4)]

    def work(mine: list[Any]) -> None:
        mine.extend(by_record(scorer, record) for record in records)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == expected for mine in results)
