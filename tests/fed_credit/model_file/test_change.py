"""A bank's own policy and calibration, in a file of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fed_credit.config.decision import CalibrationMethod
from fed_credit.config.spec import SplitKind
from fed_credit.data import synthetic
from fed_credit.decision.policy import VERDICTS
from fed_credit.errors import ArtefactError, ConfigurationError, DataError
from fed_credit.model_file.archive import open_model_file, write_model_file
from fed_credit.model_file.change import Edit, edit, least_bads, recalibrate
from fed_credit.model_file.differences import differences
from fed_credit.model_file.own_loans import OwnLoans, read_own_loans


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, model_run: Any) -> Path:
    """Loans of one bank of another draw, riskier by construction."""
    generator = replace(
        model_run.spec.data.generator, num_loans=6000, seed=99, base_default_rate=0.25
    )
    frame = synthetic.generate(generator)
    path = tmp_path_factory.mktemp("own") / "loans.csv"
    frame[frame["institution"] == "Bank A"].to_csv(path, index=False)
    return path


def read(model_run: Any, path: Path, split: SplitKind | None = SplitKind.RANDOM) -> OwnLoans:
    return read_own_loans(
        model_run.opened.model, path, as_of="2024-12-31", split=split, test_share=0.3, seed=7
    )


def test_what_scores_stays_and_the_rest_says_so(model_run: Any, tmp_path: Path) -> None:
    source = model_run.opened
    made = edit(source, Edit(approve_below=0.08, decline_from=0.3, reasons=2))
    written = write_model_file(tmp_path / "own.fcm", made)
    again = open_model_file(tmp_path / "own.fcm")
    assert again.model.artefact.sha256 == source.model.artefact.sha256
    assert again.sha256 != source.sha256 == again.model.provenance["edits"][0]["from_sha256"]
    assert (made.policy.approve_below, made.policy.decline_from, made.policy.reasons) == (
        0.08,
        0.3,
        2,
    )
    changed = {text.split("'")[1] for text in differences(written.parts, source.parts)}
    assert changed == {
        "policy.json",
        "provenance.json",
        "evaluation.json",
        "card.en.md",
        "card.zh.md",
    }
    assert made.evaluation["settings"]["cut_off"] == "given"
    before = source.model.evaluation["test"]["decision"]["approval_rate"]
    assert made.evaluation["test"]["decision"]["approval_rate"] < before


def test_one_cut_off_stays_one(model_run: Any) -> None:
    made = edit(model_run.opened, Edit(approve_below=0.07))
    assert made.policy.decline_from == 0.07
    banded = replace(model_run.opened, model=edit(model_run.opened, Edit(decline_from=0.9)))
    assert edit(banded, Edit(approve_below=0.05)).policy.decline_from == 0.9


def test_a_long_run_default_rate_moves_the_mean_and_not_the_ranks(model_run: Any) -> None:
    made = edit(model_run.opened, Edit(long_run_default_rate=0.03))
    found = made.evaluation
    assert found["validation"]["pd"]["mean"] == pytest.approx(0.03, rel=0.02)
    assert found["long_run"]["given"] == 0.03 and made.calibration.long_run
    assert (
        found["test"]["pd"]["auc"] == model_run.opened.model.evaluation["test"]["model_pd"]["auc"]
    )
    assert made.policy == model_run.opened.model.policy


def test_edits_are_listed_in_their_order(model_run: Any, tmp_path: Path) -> None:
    first = write_model_file(tmp_path / "a.fcm", edit(model_run.opened, Edit(reasons=1)))
    second = edit(first, Edit(owner="Wei"))
    assert [one["from_sha256"] for one in second.provenance["edits"]] == [
        model_run.opened.sha256,
        first.sha256,
    ]
    assert second.provenance["owner"] == "Wei" and second.evaluation == first.model.evaluation


def test_a_policy_from_a_file_replaces_keys(model_run: Any) -> None:
    grades = {"good": 0.1, "bad": 1.0}
    made = edit(model_run.opened, Edit(policy={"grades": grades, "approve_below": 0.05}))
    assert made.policy.scale.names == ("good", "bad") and made.policy.decline_from == 0.05
    assert [one["grade"] for one in made.evaluation["test"]["grades"]] == ["good", "bad"]


@pytest.mark.parametrize(
    ("wanted", "word"),
    [
        (Edit(), "Nothing was set"),
        (Edit(approve_below=1.4), "approve_below=1.4"),
        (Edit(approve_below=0.5, decline_from=0.2), "cannot be declined"),
        (Edit(reasons=-1), "reasons=-1"),
        (Edit(long_run_default_rate=0.0), "long-run default rate"),
        (Edit(policy={"aprove_below": 0.1}), "Did you mean 'approve_below'"),
        (Edit(policy={"grades": {"A": 0.5}}), "rise"),
    ],
)
def test_what_makes_no_sense_is_refused(wanted: Edit, word: str, model_run: Any) -> None:
    with pytest.raises(ConfigurationError, match=word):
        edit(model_run.opened, wanted)


def test_a_file_that_keeps_no_loans_cannot_be_moved(model_run: Any) -> None:
    model = model_run.opened.model
    bare = replace(model, evaluation={**model.evaluation, "validation": None})
    with pytest.raises(ArtefactError, match="recalibrate"):
        edit(replace(model_run.opened, model=bare), Edit(long_run_default_rate=0.1))


def test_own_loans_are_read_as_the_model_s_were(model_run: Any, table: Path) -> None:
    own = read(model_run, table)
    cells = own.judged.validation.cells
    assert cells.n + own.judged.test.cells.n == own.report.used > 1000
    assert own.report.immature > 0 and own.set_aside == 0
    assert own.judged.test.cells.n == pytest.approx(0.3 * own.report.used, rel=0.15)
    assert {one.by for one in own.judged.segments} >= {"sector", "approved_amount"}
    assert "institution" not in {one.by for one in own.judged.segments}


def test_newer_loans_judge_where_they_have_days(model_run: Any, table: Path) -> None:
    own = read(model_run, table, None)
    assert own.split is SplitKind.OUT_OF_TIME and own.set_aside > 0
    chosen, judges = own.judged.validation, own.judged.test
    assert chosen.last_month is not None and judges.first_month is not None
    assert chosen.last_month < judges.first_month


@pytest.mark.parametrize("method", [CalibrationMethod.SHIFT, CalibrationMethod.PLATT])
def test_pds_fit_the_bank_s_own_loans(
    model_run: Any, table: Path, method: CalibrationMethod
) -> None:
    source, own = model_run.opened, read(model_run, table)
    made = recalibrate(
        source, own, method=method, min_bads=20, long_run_default_rate=None, cut_off=True
    )
    chosen, judges = made.evaluation["validation"], made.evaluation["test"]
    assert chosen["pd"]["mean"] == pytest.approx(chosen["default_rate"], rel=1e-6)
    assert chosen["default_rate"] > 1.5 * source.model.evaluation["validation"]["default_rate"]
    # Loans that chose nothing are better served, too.
    assert abs(judges["pd"]["mean"] - judges["default_rate"]) < abs(
        judges["model_pd"]["mean"] - judges["default_rate"]
    )
    assert made.artefact.sha256 == source.model.artefact.sha256
    assert made.calibration.method == str(method)
    note = made.provenance["edits"][-1]
    assert note["loans"] == chosen["loans"] and note["from_sha256"] == source.sha256
    assert note["cut_off"] == made.policy.approve_below
    assert made.evaluation["settings"]["cut_off"] == "validation"
    verdicts = made.policy.verdicts(np.array([made.policy.approve_below]))
    assert str(VERDICTS[verdicts[0]]) == "decline"


def test_a_policy_stays_unless_asked_for(model_run: Any, table: Path) -> None:
    made = recalibrate(
        model_run.opened,
        read(model_run, table),
        method=CalibrationMethod.SHIFT,
        min_bads=10,
        long_run_default_rate=0.05,
        cut_off=False,
    )
    assert made.policy == model_run.opened.model.policy
    assert made.evaluation["validation"]["pd"]["mean"] == pytest.approx(0.05, rel=1e-6)


def test_too_few_bads_are_refused_with_their_number(model_run: Any, table: Path) -> None:
    lines = table.read_text(encoding="utf-8").splitlines()[:120]
    few = table.with_name("few.csv")
    few.write_text("\n".join(lines) + "\n", encoding="utf-8")
    own = read(model_run, few)
    cells = own.judged.validation.cells
    with pytest.raises(DataError, match=rf"{cells.bad} bad and {cells.n - cells.bad} good"):
        recalibrate(
            model_run.opened,
            own,
            method=CalibrationMethod.PLATT,
            min_bads=least_bads(model_run.opened.model, CalibrationMethod.PLATT),
            long_run_default_rate=None,
            cut_off=False,
        )


def test_a_slope_needs_more_loans_than_a_shift(model_run: Any) -> None:
    model = model_run.opened.model
    assert least_bads(model, CalibrationMethod.SHIFT) == model_run.spec.evaluation.min_bads
    assert least_bads(model, CalibrationMethod.PLATT) == 50
