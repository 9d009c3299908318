"""What a file says that a model is worth is what its loans say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fed_credit.data.book import Part
from fed_credit.evaluation.intervals import auc_interval
from fed_credit.evaluation.metrics import measure
from fed_credit.evaluation.sums import score_sums
from fed_credit.model_file.evaluation import decided_anew, sample_of
from fed_credit.model_file.make import make_model_file
from fed_credit.model_file.samples import Judged, Sample

Loans = tuple[np.ndarray, np.ndarray, np.ndarray]


def test_test_loans_are_measured_at_the_pd_that_decides(model_run: Any, loans: Loans) -> None:
    y, parts, p = loans
    rows = parts == Part.TEST
    model, found = model_run.opened.model, model_run.opened.model.evaluation["test"]
    y, model_pd = y[rows], p[rows]
    pd = model.calibration.apply(model_pd)
    assert (found["loans"], found["bads"]) == (len(y), int(y.sum()))
    for key, values in (("model_pd", model_pd), ("pd", pd)):
        expected, own = measure(y, values, calibration_bins=10), found[key]
        area = auc_interval(y, values, 0.95)
        assert own["known_from"] == "loans"
        assert own["auc"] == pytest.approx(vars(area))
        for name in ("gini", "ks", "brier", "log_loss"):
            assert own[name] == pytest.approx(getattr(expected, name))
        assert own["mean"] == pytest.approx(values.mean())
        assert sum(group["loans"] for group in own["calibration"]["curve"]) == len(y)
    approved = pd < model.policy.approve_below
    assert found["decision"]["approved"] == int(approved.sum())
    assert found["decision"]["approved_bads"] == int(y[approved].sum())
    profit = (approved.sum() - y[approved].sum()) * 1.0 - 5.0 * y[approved].sum()
    assert found["decision"]["profit_per_loan"] == pytest.approx(profit / len(y))


def test_calibration_is_right_on_the_loans_that_chose_it(model_run: Any) -> None:
    found = model_run.opened.model.evaluation["validation"]
    assert found["pd"]["mean"] == pytest.approx(found["default_rate"], rel=1e-6)
    assert found["pd"]["calibration"]["in_the_large"] == pytest.approx(0.0, abs=1e-6)


def test_test_loans_choose_nothing(model_run: Any, loans: Loans) -> None:
    """With other test loans, calibration and policy are the same."""
    y, parts, p = loans
    v = parts == Part.VALIDATION
    made = model_run.opened.model
    flipped = make_model_file(
        made.artefact,
        made.schema,
        model_run.spec.decision,
        model_run.spec.evaluation,
        Judged("random", Sample.of(y[v], p[v]), Sample.of(1 - y[v], p[v])),
        reference=None,
        provenance={},
    )
    assert flipped.calibration == made.calibration and flipped.policy == made.policy
    assert flipped.evaluation["test"]["bads"] != made.evaluation["test"]["bads"]


def test_grades_add_up_to_the_test_loans(model_run: Any) -> None:
    part = model_run.opened.model.evaluation["test"]
    grades = part["grades"]
    assert sum(one["loans"] for one in grades) == part["loans"]
    assert sum(one["bads"] for one in grades) == part["bads"]
    assert [one["grade"] for one in grades] == list("ABCDEFG")
    for one in grades:
        if one["loans"]:
            assert one["low_pd"] <= one["mean_pd"] <= one["high_pd"]
            assert 0.0 <= one["p_value"] <= 1.0
        else:
            assert one["mean_pd"] is None and one["p_value"] is None


def test_each_dimension_of_the_segments_adds_up(model_run: Any) -> None:
    found = model_run.opened.model.evaluation
    segments, test = found["segments"], found["test"]
    by: dict[str, list[dict[str, Any]]] = {}
    for one in segments:
        by.setdefault(one["by"], []).append(one)
    assert {"institution", "sector", "region", "approved_amount"} <= set(by)
    assert "firm_id" not in by and "log_amount" not in by
    for parts in by.values():
        assert sum(one["loans"] for one in parts) == test["loans"]
        assert sum(one["bads"] for one in parts) == test["bads"]
        weighted = sum(one["loans"] * one["mean_pd"] for one in parts) / test["loans"]
        assert weighted == pytest.approx(test["pd"]["mean"])
        approved = sum(one["loans"] * one["approval_rate"] for one in parts) / test["loans"]
        assert approved == pytest.approx(test["decision"]["approval_rate"])
    least = found["settings"]["min_bads"]
    assert {one["assessable"] for one in segments} == {True, False}
    for one in segments:
        enough = min(one["bads"], one["loans"] - one["bads"]) >= least
        assert one["assessable"] is enough
        assert (one["auc"]["value"] is None) is not enough
        assert {"en", "zh"} == set(one["label"]) == set(one["value_label"])


def test_banks_are_compared_as_in_the_results(model_run: Any) -> None:
    compared = model_run.opened.model.evaluation["comparison"]
    results = model_run.result.results
    assert compared["institutions"] == results["institutions"]
    assert compared["overall"] == results["overall"]
    by_bank = {
        one["value"]: one
        for one in model_run.opened.model.evaluation["segments"]
        if one["by"] == "institution"
    }
    for bank in results["institutions"]:
        assert by_bank[bank["name"]]["loans"] == bank["n_test"]
        if bank["assessable"]:
            ours, theirs = by_bank[bank["name"]]["auc"], bank["auc"]["federated"]
            assert ours["value"] == pytest.approx(theirs["value"], abs=1e-9)


def test_years_show_the_cycle(model_run: Any, loans: Loans) -> None:
    years = model_run.opened.model.evaluation["long_run"]["years"]
    assert sum(year["loans"] for year in years) == len(loans[0])
    assert sum(year["bads"] for year in years) == int(loans[0].sum())
    assert [year["year"] for year in years] == sorted({year["year"] for year in years})


def test_sums_of_banks_judge_nearly_as_loans_do(model_run: Any, loans: Loans) -> None:
    """Of a deployment, where no loan is at hand; and whatever the number of banks."""
    y, parts, p = loans
    made = model_run.opened.model

    def sums(part: Part) -> Sample:
        rows = np.flatnonzero(parts == part)
        halves = [score_sums(y[half], p[half], bins=256) for half in np.array_split(rows, 2)]
        return Sample.of_sums(halves[0] + halves[1])

    found = make_model_file(
        made.artefact,
        made.schema,
        model_run.spec.decision,
        model_run.spec.evaluation,
        Judged("out_of_time", sums(Part.VALIDATION), sums(Part.TEST)),
        reference=None,
        provenance={},
    )
    ours, theirs = found.evaluation["test"], made.evaluation["test"]
    assert ours["pd"]["known_from"] == "sums" and ours["loans"] == theirs["loans"]
    assert ours["pd"]["auc"]["value"] == pytest.approx(theirs["pd"]["auc"]["value"], abs=0.01)
    assert ours["pd"]["brier"] == pytest.approx(theirs["pd"]["brier"], abs=1e-3)
    assert found.calibration.shift == pytest.approx(made.calibration.shift, abs=0.01)
    assert found.calibration.slope == pytest.approx(made.calibration.slope, abs=0.01)
    assert found.policy.approve_below == pytest.approx(made.policy.approve_below, abs=0.02)
    assert found.evaluation["segments"] == []


def test_without_validation_loans_nothing_is_chosen(model_run: Any, loans: Loans) -> None:
    y, parts, p = loans
    rows = parts == Part.TEST
    made = model_run.opened.model
    found = make_model_file(
        made.artefact,
        made.schema,
        model_run.spec.decision,
        model_run.spec.evaluation,
        Judged(None, Sample.of_sums(None), Sample.of(y[rows], p[rows])),
        reference=None,
        provenance={},
    )
    assert found.calibration.method == "none" and found.calibration.loans == 0
    assert found.policy.approve_below == pytest.approx(1.0 / 6.0)
    assert found.evaluation["validation"] is None
    assert found.evaluation["settings"]["cut_off"] == "break_even"


def test_another_policy_is_judged_from_the_counts_that_are_kept(model_run: Any) -> None:
    made = model_run.opened.model
    same = decided_anew(made.evaluation, made.calibration, made.policy, "given")
    for part in ("validation", "test"):
        ours, theirs = same[part], made.evaluation[part]
        assert ours["model_pd"] == theirs["model_pd"]
        assert ours["pd"]["auc"] == theirs["model_pd"]["auc"]
        assert ours["pd"]["mean"] == pytest.approx(theirs["pd"]["mean"], abs=1e-3)
        assert ours["decision"]["approval_rate"] == pytest.approx(
            theirs["decision"]["approval_rate"], abs=0.02
        )
    cells = sample_of(same["test"]).cells
    assert (cells.n, cells.bad) == (same["test"]["loans"], same["test"]["bads"])
    assert same["segments"][0]["mean_pd"] is None
