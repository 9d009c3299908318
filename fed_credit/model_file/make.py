"""Making a model's file of what a run leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fed_credit.artefact import Artefact
from fed_credit.config.decision import DecisionSpec, ScaleSpec
from fed_credit.config.spec import ModelSpec, ProfitSpec
from fed_credit.data.schema import Schema
from fed_credit.decision.calibration import PdCalibration, fit_calibration
from fed_credit.decision.policy import DecisionPolicy
from fed_credit.evaluation.cut_off import best_cut_off
from fed_credit.model_file.contents import ModelFile
from fed_credit.scorecard.grades import MasterScale


def make_model_file(
    artefact: Artefact,
    schema: Schema,
    decision: DecisionSpec,
    profit: ProfitSpec,
    y: np.ndarray,
    pd: np.ndarray,
    *,
    evaluation: Mapping[str, Any],
    reference: Mapping[str, Any] | None,
    provenance: Mapping[str, Any],
) -> ModelFile:
    """Make a model's file; calibration and cut-off are chosen on validation loans.

    Parameters
    ----------
    artefact : Artefact
        What was trained.
    schema : Schema
        Of its loans.
    decision : DecisionSpec
        How PDs become decisions.
    profit : ProfitSpec
        What the cut-off is chosen by, if none is given.
    y, pd : numpy.ndarray
        ``(n,) int8`` and ``(n,) float64``: outcome and the model's PD of the validation loans.
    evaluation, reference, provenance : mapping
        See :class:`~fed_credit.model_file.contents.ModelFile`.

    Returns
    -------
    ModelFile
    """
    bad = (y == 1).astype(np.int64)
    calibration = fit_calibration(pd, 1 - bad, bad, decision.calibration)
    policy = _policy(artefact.spec, decision, profit, y, pd, calibration)
    return ModelFile(artefact, schema, calibration, policy, evaluation, reference, provenance)


def _policy(
    model: ModelSpec,
    decision: DecisionSpec,
    profit: ProfitSpec,
    y: np.ndarray,
    pd: np.ndarray,
    calibration: PdCalibration,
) -> DecisionPolicy:
    approve = decision.approve_below
    if approve is None:
        best = best_cut_off(y, calibration.apply(pd), profit.gain_good, profit.loss_bad)
        # Without loans: where an approved loan is expected to gain nothing.
        even = profit.gain_good / (profit.gain_good + profit.loss_bad)
        approve = min(best, 1.0) if np.isfinite(best) else even
    points, grades = decision.points, decision.grades
    if model.points is not None and model.rating is not None:
        own = model.points
        points = ScaleSpec(own.pdo, own.base_score, own.base_odds)
        grades = model.rating.grades
    decline = approve if decision.decline_from is None else decision.decline_from
    return DecisionPolicy(
        approve, max(decline, approve), decision.reasons, points, MasterScale.of(grades)
    )
