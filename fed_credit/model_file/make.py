"""Making a model's file of what a run leaves: what is chosen, what judges, where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fed_credit.artefact import Artefact
from fed_credit.config.decision import DecisionSpec, ScaleSpec
from fed_credit.config.spec import EvaluationSpec, ModelSpec, ProfitSpec
from fed_credit.data.schema import Schema
from fed_credit.decision.calibration import PdCalibration, fit_calibration
from fed_credit.decision.policy import DecisionPolicy
from fed_credit.evaluation.cells import ScoreCells
from fed_credit.evaluation.cut_off import best_cut_off_of_cells
from fed_credit.model_file.contents import ModelFile
from fed_credit.model_file.evaluation import evaluation_body
from fed_credit.model_file.samples import Judged
from fed_credit.scorecard.grades import MasterScale

GIVEN, VALIDATION, BREAK_EVEN = "given", "validation", "break_even"
"""How a cut-off is chosen."""


def make_model_file(
    artefact: Artefact,
    schema: Schema,
    decision: DecisionSpec,
    evaluation: EvaluationSpec,
    judged: Judged,
    *,
    reference: Mapping[str, Any] | None,
    provenance: Mapping[str, Any],
) -> ModelFile:
    """Make a model's file; calibration and cut-off are chosen on validation loans alone.

    Parameters
    ----------
    artefact : Artefact
        What was trained.
    schema : Schema
        Of its loans.
    decision : DecisionSpec
        How PDs become decisions.
    evaluation : EvaluationSpec
        What the cut-off is chosen by, if none is given, and how the model is judged.
    judged : Judged
        Validation and test loans, one by one or as sums.
    reference, provenance : mapping
        See :class:`~fed_credit.model_file.contents.ModelFile`.

    Returns
    -------
    ModelFile
        Without validation loans the model's PDs are left as they are, and the cut-off is where an
        approved loan is expected to gain nothing.
    """
    cells = judged.validation.cells
    calibration = fit_calibration(cells.pd, cells.goods, cells.bads, decision.calibration)
    policy, how = choose_policy(artefact.spec, decision, evaluation.profit, cells, calibration)
    body = evaluation_body(judged, evaluation, calibration, policy, how)
    return ModelFile(artefact, schema, calibration, policy, body, reference, provenance)


def choose_policy(
    model: ModelSpec,
    decision: DecisionSpec,
    profit: ProfitSpec,
    validation: ScoreCells,
    calibration: PdCalibration,
) -> tuple[DecisionPolicy, str]:
    """Choose the policy.

    Parameters
    ----------
    model : ModelSpec
        A scorecard brings points and grades of its own.
    decision, profit
        As for :func:`make_model_file`.
    validation : ScoreCells
        Validation loans by the model's PD.
    calibration : PdCalibration
        From that to the PD that decides.

    Returns
    -------
    (DecisionPolicy, str)
        And how the cut-off was chosen: :data:`GIVEN`, :data:`VALIDATION` or :data:`BREAK_EVEN`.
    """
    approve, how = choose_cut_off(decision.approve_below, profit, validation, calibration)
    points, grades = decision.points, decision.grades
    if model.points is not None and model.rating is not None:
        own = model.points
        points = ScaleSpec(own.pdo, own.base_score, own.base_odds)
        grades = model.rating.grades
    decline = approve if decision.decline_from is None else decision.decline_from
    scale = MasterScale.of(grades)
    policy = DecisionPolicy(approve, max(decline, approve), decision.reasons, points, scale)
    return policy, how


def choose_cut_off(
    given: float | None, profit: ProfitSpec, validation: ScoreCells, calibration: PdCalibration
) -> tuple[float, str]:
    """Return the PD below which loans are approved, and how it was chosen."""
    if given is not None:
        return given, GIVEN
    decided = validation.at(calibration.apply(validation.pd))
    best = best_cut_off_of_cells(decided, profit.gain_good, profit.loss_bad)
    if np.isfinite(best):
        return min(best, 1.0), VALIDATION
    stake = profit.gain_good + profit.loss_bad
    return (profit.gain_good / stake if stake > 0 else 0.0), BREAK_EVEN
