"""A bank's own comparison: its model alone against the common one, on its own test loans."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import yaml

from fed_credit.bank.cache import Prepared
from fed_credit.bank.received import Received
from fed_credit.config.bank import BankSpec
from fed_credit.config.convert import build
from fed_credit.config.location import conf_dir
from fed_credit.config.spec import EvaluationSpec
from fed_credit.data.book import Part
from fed_credit.evaluation.metrics import measure
from fed_credit.evaluation.paired import differences, is_assessable
from fed_credit.families.alone import Alone, train_one_bank
from fed_credit.model_file.fingerprints import versions
from fed_credit.reporting.html.curves import POINTS, curves
from fed_credit.training.alone import Loans

ALONE, COMMON = "local", "federated"  # contenders, as in a simulation's results


def compare_alone(
    bank: BankSpec, run_id: int, received: Received, loans: Prepared
) -> dict[str, Any]:
    """Train the bank's own model alone and compare the common one with it.

    The own model has the same family, passes over the loans and choice of the best round as the
    common one had; test loans are those that the bank was asked about.

    Parameters
    ----------
    bank : BankSpec
        The bank.
    run_id : int
        The run.
    received : Received
        Its specification and model.
    loans : Prepared
        The bank's own, as the run is about them.

    Returns
    -------
    dict
        The body of the bank's ``results.json``: plain values, NaN where a figure is not defined.
    """
    run, model = received.run, received.model
    evaluation = own_evaluation()
    train, validation, test = (
        _loans(loans, part) for part in (Part.TRAIN, Part.VALIDATION, Part.TEST)
    )
    alone = train_one_bank(bank.name, train, validation, run)
    pds = {ALONE: alone.model.score(test.frame), COMMON: model.model.score(test.frame)}
    measured = {
        name: asdict(measure(test.y, p, calibration_bins=evaluation.calibration_bins))
        for name, p in pds.items()
    }
    compared = differences(test.y, pds[ALONE], pds[COMMON], evaluation)
    profit = evaluation.profit
    return {
        "bank": bank.name,
        "run": str(run_id),
        "assessable": is_assessable(test.y, evaluation),
        "loans": {
            **{part.name.lower(): int(np.sum(loans.parts == part)) for part in Part},
            "test_bads": int(test.y.sum()),
        },
        "test": measured,
        "differences": [
            {
                "measure": item.measure,
                "alone": item.one,
                "federated": item.other,
                **asdict(item.interval),
                "verdict": item.verdict,
            }
            for item in compared
        ],
        "points": POINTS,
        "curves": {
            name: curves(
                [(test.y, p)],
                groups=evaluation.calibration_bins,
                gain_good=profit.gain_good,
                loss_bad=profit.loss_bad,
            )
            for name, p in pds.items()
        }
        if len(test.y)
        else {},
        "model": _model(received, alone),
        "data": {**asdict(loans.report), "features": [item.name for item in run.features]},
        "settings": {
            "decision_point": str(run.decision_point),
            "target": run.population.target_text,
            "split": str(run.population.split.kind),
            "rounds": run.rounds,
            "local_epochs": run.local_epochs,
            "seed": run.seed,
        },
        "evaluation": {
            "confidence": evaluation.confidence,
            "min_bads": evaluation.min_bads,
            "calibration_bins": evaluation.calibration_bins,
        },
        "versions": versions(),
        "warnings": list(loans.warnings),
    }


def _loans(loans: Prepared, part: Part) -> Loans:
    rows = np.flatnonzero(loans.parts == part)
    return Loans(loans.book.features.iloc[rows], np.asarray(loans.book.y[rows]))


def _model(received: Received, alone: Alone) -> dict[str, Any]:
    common = received.model
    return {
        "family": common.spec.family,
        "sha256": common.sha256,
        "preprocessor_sha256": common.model.preparation_sha256,
        "columns": len(common.model.columns),
        "alone": None
        if alone.best_round is None
        else {"columns": alone.columns, "best_round": alone.best_round},
    }


def own_evaluation() -> EvaluationSpec:
    """Return how a simulation compares by default, for levels and numbers of loans."""
    packaged = yaml.safe_load((conf_dir() / "config.yaml").read_text(encoding="utf-8"))
    return build(EvaluationSpec, packaged["evaluation"])
