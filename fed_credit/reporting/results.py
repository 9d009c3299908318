"""The body of ``results.json``: documented, stable keys; see ``docs/results.md``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from fed_credit.artefact import Artefact
from fed_credit.config.spec import EvaluationSpec, SimulationSpec
from fed_credit.data.book import Dataset, Part
from fed_credit.evaluation.comparison import RepeatScores, compare
from fed_credit.evaluation.cut_off import best_cut_off, profit_at
from fed_credit.evaluation.results import to_json
from fed_credit.evaluation.sums import measure_sums
from fed_credit.model_file.fingerprints import versions
from fed_credit.repeat import Repeat
from fed_credit.reporting.explanations import explanations


def build_results(
    spec: SimulationSpec,
    dataset: Dataset,
    repeats: Sequence[Repeat],
    artefact: Artefact,
    warnings: Sequence[str],
    wall_s: float,
) -> dict[str, Any]:
    """Put together what a run found.

    Parameters
    ----------
    spec : SimulationSpec
        The run.
    dataset : Dataset
        Loans of all banks.
    repeats : sequence of Repeat
        One per seeded split; the first one's model is the artefact.
    artefact : Artefact
        The federated model of the first repeat.
    warnings : sequence of str
        What a reader of the figures has to know.
    wall_s : float
        Seconds the run took in this process.

    Returns
    -------
    dict
        Plain values, ready for JSON.
    """
    first = repeats[0]
    comparison = compare(
        [test_scores(dataset, repeat) for repeat in repeats], dataset.names, spec.evaluation
    )
    sums = measure_sums(first.test_sums, calibration_bins=spec.evaluation.calibration_bins)
    report = dataset.report
    return {
        **to_json(comparison),
        "from_sums": {"bins": spec.evaluation.histogram_bins, **asdict(sums)},
        "decision": decisions(dataset, repeats, spec.evaluation),
        "rounds": [{"round": m.number, "loss": m.loss, "auc": m.auc} for m in first.state.history],
        "model": {
            "family": spec.model.family,
            "hidden": None if spec.model.hidden is None else list(spec.model.hidden),
            "columns": len(artefact.model.columns),
            "constant_features": list(artefact.model.constant),
            "best_round": first.state.best_round,
            "sha256": artefact.sha256,
            "preprocessor_sha256": artefact.model.preparation_sha256,
            "details": dict(artefact.model.details),
        },
        "explanations": explanations(dataset, first.parts, artefact, spec.data.source),
        "evaluation": {
            "repeats": len(repeats),
            "confidence": spec.evaluation.confidence,
            "min_bads": spec.evaluation.min_bads,
            "split": str(spec.data.split.kind),
        },
        "timing": {"wall_s": wall_s, "rounds_s": [s for r in repeats for s in r.round_seconds]},
        "data": {
            "source": str(spec.data.source),
            "rows": report.rows,
            "used": report.used,
            "rejected": report.rejected,
            "rejected_reasons": dict(report.reasons),
            "unlabelled": report.unlabelled,
            "immature": report.immature,
            "out_of_scope": report.out_of_scope,
            "left_out": report.left_out,
            "left_out_institutions": report.left_out_institutions,
            **{part.name.lower(): int(np.sum(first.parts == part)) for part in Part},
            "fingerprint": report.fingerprint,
            "features": [field.name for field in dataset.fields],
            "decision_point": str(dataset.decision_point),
            "target": first.spec.population.target_text,
        },
        "seed": spec.seed,
        "versions": versions(),
        "warnings": [*warnings, *_missing_banks(repeats, len(dataset.names))],
    }


def _missing_banks(repeats: Sequence[Repeat], banks: int) -> list[str]:
    """Say that a quorum below one let rounds go on without some of the banks."""
    answered = [m.banks for repeat in repeats for m in repeat.state.history]
    short = sum(number < banks for number in answered)
    if not short:
        return []
    return [
        f"In {short} of {len(answered)} rounds not all {banks} institutions answered, at worst"
        f" {min(answered)}; federation.quorum let them go on, and the log names the others."
    ]


def test_scores(dataset: Dataset, repeat: Repeat) -> RepeatScores:
    """Take the test loans of a repeat, with the true PD as the best reachable score if known."""
    rows = np.flatnonzero(repeat.parts == Part.TEST)
    scores = {name: values[rows] for name, values in repeat.scores.items()}
    if dataset.true_pd is not None:
        scores["best_reachable"] = dataset.true_pd[rows]
    trained = [
        int(np.sum(repeat.parts[dataset.rows(k)] == Part.TRAIN)) for k in range(len(dataset.names))
    ]
    return RepeatScores(
        institution=institution_codes(dataset)[rows],
        y=dataset.y[rows],
        scores=scores,
        n_train=np.array(trained, dtype=np.int64),
    )


def institution_codes(dataset: Dataset) -> np.ndarray:
    """Return each loan's institution, ``(n_loans,) int64`` into ``dataset.names``."""
    return np.repeat(np.arange(len(dataset.names)), np.diff(dataset.offsets))


def decisions(
    dataset: Dataset, repeats: Sequence[Repeat], spec: EvaluationSpec
) -> dict[str, dict[str, float]]:
    """Decide on test loans at the cut-off that validation loans choose; means over repeats."""
    found: dict[str, dict[str, float]] = {}
    for name in repeats[0].scores:
        rows = [_decide(dataset, repeat, repeat.scores[name], spec) for repeat in repeats]
        found[name] = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    return found


def _decide(
    dataset: Dataset, repeat: Repeat, scores: np.ndarray, spec: EvaluationSpec
) -> dict[str, float]:
    gain, loss = spec.profit.gain_good, spec.profit.loss_bad
    validation = repeat.parts == Part.VALIDATION
    test = repeat.parts == Part.TEST
    cut_off = best_cut_off(dataset.y[validation], scores[validation], gain, loss)
    y, p = dataset.y[test], scores[test]
    approved = p < cut_off
    return {
        "cut_off": cut_off,
        "approval_rate": float(approved.mean()),
        "bad_rate_approved": float(y[approved].mean()) if approved.any() else float("nan"),
        "profit_per_loan": profit_at(y, p, cut_off, gain, loss),
    }
