"""The body of ``evaluation.json``: what a model is worth; see ``docs/model-file.md`` for the keys.

Everything that follows from calibration and policy can be made again from the counts by PD that
are kept with it, which is what a changed policy needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from fed_credit.config.spec import EvaluationSpec
from fed_credit.decision.calibration import (
    PdCalibration,
    calibration_in_the_large,
    calibration_line,
)
from fed_credit.decision.policy import DecisionPolicy
from fed_credit.errors import ArtefactError
from fed_credit.evaluation.cells import ScoreCells
from fed_credit.evaluation.metrics import CalibrationCurve
from fed_credit.files import plain
from fed_credit.model_file.samples import SUMS, Judged, Sample, Segment
from fed_credit.scorecard.calibration import ScoreCounts
from fed_credit.scorecard.grades import grade_table

_NO_INTERVAL: Mapping[str, None] = dict.fromkeys(("value", "lo", "hi"))


def evaluation_body(
    judged: Judged,
    spec: EvaluationSpec,
    calibration: PdCalibration,
    policy: DecisionPolicy,
    cut_off: str,
) -> dict[str, Any]:
    """Say what a model is worth.

    Parameters
    ----------
    judged : Judged
        Loans, segments, years and comparison.
    spec : EvaluationSpec
        Level of the intervals, bads that are needed, groups, profit.
    calibration, policy
        What decides.
    cut_off : str
        How it was chosen: ``given``, ``validation`` or ``break_even``.

    Returns
    -------
    dict
        Plain values.
    """
    settings = {
        "confidence": spec.confidence,
        "min_bads": spec.min_bads,
        "calibration_bins": spec.calibration_bins,
        "histogram_bins": spec.histogram_bins,
        "gain_good": spec.profit.gain_good,
        "loss_bad": spec.profit.loss_bad,
        "split": judged.split,
        "cut_off": cut_off,
    }
    body: dict[str, Any] = {
        "settings": settings,
        "validation": _part(judged.validation, settings, calibration, policy),
        "test": _part(judged.test, settings, calibration, policy),
        "long_run": _long_run(judged, calibration),
        "segments": [_segment(one, settings, calibration, policy) for one in judged.segments],
        "comparison": judged.comparison,
    }
    found: dict[str, Any] = plain(body)
    return found


def decided_anew(
    evaluation: Mapping[str, Any], calibration: PdCalibration, policy: DecisionPolicy, cut_off: str
) -> dict[str, Any]:
    """Judge a model at another calibration and policy, from the counts that its file keeps.

    Parameters
    ----------
    evaluation : mapping
        Of the model's file.
    calibration, policy, cut_off
        As for :func:`evaluation_body`.

    Returns
    -------
    dict
        Segments are without mean PD and approval rate: no counts of theirs are kept.
    """
    settings = {**evaluation["settings"], "cut_off": cut_off}
    body: dict[str, Any] = {**evaluation, "settings": settings}
    for part in ("validation", "test"):
        if evaluation[part] is not None:
            body[part] = _part_anew(evaluation[part], settings, calibration, policy)
    body["long_run"] = {
        **evaluation["long_run"],
        "given": calibration.default_rate if calibration.long_run else None,
    }
    body["segments"] = [
        {**one, "mean_pd": None, "approval_rate": None} for one in evaluation["segments"]
    ]
    found: dict[str, Any] = plain(body)
    return found


def sample_of(part: Mapping[str, Any]) -> Sample:
    """Return the loans of a part of an evaluation, as counted by the model's PD.

    Raises
    ------
    ArtefactError
        If the evaluation is not one of this version's.
    """
    try:
        counts = part["cells"]
        cells = ScoreCells(
            np.array(counts["mean_pd"], np.float64),
            np.array(counts["goods"], np.int64),
            np.array(counts["bads"], np.int64),
        )
        return Sample(cells, SUMS, part["first_month"], part["last_month"])
    except (LookupError, TypeError, ValueError) as error:
        raise ArtefactError(
            f"The model's evaluation does not hold its loans by PD ({error}); make the file anew."
        ) from None


def _part(
    sample: Sample,
    settings: Mapping[str, Any],
    calibration: PdCalibration,
    policy: DecisionPolicy,
) -> dict[str, Any] | None:
    own = sample.cells
    if not own.n:
        return None
    decided = own.at(calibration.apply(own.pd))
    coarse = own.coarse(settings["histogram_bins"])
    return {
        "first_month": sample.first_month,
        "last_month": sample.last_month,
        "loans": own.n,
        "bads": own.bad,
        "default_rate": own.bad / own.n,
        "model_pd": _quality(own, settings, sample.known_from),
        "pd": _quality(decided, settings, sample.known_from),
        "decision": _decision(decided, settings, policy),
        "grades": _grades(decided, policy),
        "cells": {
            "mean_pd": coarse.pd.tolist(),
            "goods": coarse.goods.tolist(),
            "bads": coarse.bads.tolist(),
        },
    }


def _part_anew(
    part: Mapping[str, Any],
    settings: Mapping[str, Any],
    calibration: PdCalibration,
    policy: DecisionPolicy,
) -> dict[str, Any]:
    cells = sample_of(part).cells
    decided = cells.at(calibration.apply(cells.pd))
    # A calibration changes no rank, and ranks are better known from single loans.
    ranks = {key: part["model_pd"][key] for key in ("auc", "gini", "ks")}
    return {
        **part,
        "pd": {**_quality(decided, settings, SUMS), **ranks},
        "decision": _decision(decided, settings, policy),
        "grades": _grades(decided, policy),
    }


def _quality(cells: ScoreCells, settings: Mapping[str, Any], known_from: str) -> dict[str, Any]:
    few = min(cells.bad, cells.n - cells.bad) < settings["min_bads"]
    counts = (cells.pd, cells.goods, cells.bads)
    line = None if few else calibration_line(*counts)
    return {
        "known_from": known_from,
        "mean": cells.mean_pd,
        "auc": asdict(cells.auc(settings["confidence"])),
        "gini": cells.gini,
        "ks": cells.ks,
        "brier": cells.brier,
        "log_loss": cells.log_loss,
        "calibration": {
            "in_the_large": None if few else calibration_in_the_large(*counts),
            "intercept": None if line is None else line[0],
            "slope": None if line is None else line[1],
            "curve": _curve(cells.curve(settings["calibration_bins"])),
        },
    }


def _curve(curve: CalibrationCurve) -> list[dict[str, Any]]:
    columns = zip(curve.n, curve.bads, curve.mean_pd, curve.bad_rate, strict=True)
    return [
        {"loans": int(n), "bads": int(b), "mean_pd": float(p), "bad_rate": float(r)}
        for n, b, p, r in columns
    ]


def _decision(
    cells: ScoreCells, settings: Mapping[str, Any], policy: DecisionPolicy
) -> dict[str, Any]:
    codes = policy.verdicts(cells.pd)
    approved, referred, declined = (int(cells.loans[codes == code].sum()) for code in range(3))
    bads = int(cells.bads[codes == 0].sum())
    profit = settings["gain_good"] * (approved - bads) - settings["loss_bad"] * bads
    return {
        "approval_rate": approved / cells.n,
        "referral_rate": referred / cells.n,
        "decline_rate": declined / cells.n,
        "approved": approved,
        "approved_bads": bads,
        "bad_rate_approved": bads / approved if approved else None,
        "profit_per_loan": profit / cells.n,
    }


def _grades(cells: ScoreCells, policy: DecisionPolicy) -> list[dict[str, Any]]:
    counts = ScoreCounts(np.arange(len(cells.pd)), cells.goods, cells.bads)
    return [
        {
            "grade": row.name,
            "low_pd": row.low_pd,
            "high_pd": row.high_pd,
            "loans": row.loans,
            "bads": row.bads,
            "share": row.share,
            "mean_pd": row.mean_pd,
            "bad_rate": row.bad_rate,
            "p_value": row.p_value,
        }
        for row in grade_table(policy.scale, counts, cells.pd, min_cell=0)
    ]


def _segment(
    one: Segment,
    settings: Mapping[str, Any],
    calibration: PdCalibration,
    policy: DecisionPolicy,
) -> dict[str, Any]:
    own = one.cells
    pd = calibration.apply(own.pd)
    assessable = min(own.bad, own.n - own.bad) >= settings["min_bads"]
    approved = int(own.loans[policy.verdicts(pd) == 0].sum())
    return {
        "by": one.by,
        "label": dict(one.label),
        "value": one.value,
        "value_label": dict(one.value_label),
        "loans": own.n,
        "bads": own.bad,
        "default_rate": own.bad / own.n,
        "mean_pd": float((own.loans * pd).sum() / own.n),
        "approval_rate": approved / own.n,
        "assessable": assessable,
        "auc": asdict(own.auc(settings["confidence"])) if assessable else dict(_NO_INTERVAL),
    }


def _long_run(judged: Judged, calibration: PdCalibration) -> dict[str, Any]:
    years = judged.years
    cells = judged.validation.cells
    return {
        "given": calibration.default_rate if calibration.long_run else None,
        "observed": cells.bad / cells.n if cells.n else None,
        "years": None
        if years is None
        else [{**asdict(year), "default_rate": year.bads / year.loans} for year in years],
    }
