"""The body of ``provenance.json``: where a model comes from; see ``docs/model-file.md``.

It holds no time of day and no folder, so that equal runs leave equal files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from fed_credit.artefact import Artefact
from fed_credit.config.names import EXACT_FAMILIES
from fed_credit.config.spec import SimulationSpec
from fed_credit.data.book import DataReport, Dataset, Part
from fed_credit.data.schema import KnownAt
from fed_credit.features.spec import FeatureSpec
from fed_credit.files import plain
from fed_credit.model_file.fingerprints import (
    configuration_sha256,
    fingerprint_of_code,
    text_sha256,
    versions,
)
from fed_credit.model_file.reference import span_of_population
from fed_credit.training.run_spec import Population, RunSpec

SIMULATION, DEPLOYMENT, BANK = "simulation", "deployment", "bank"
"""Kinds of runs: over loans at hand, over real banks, and as one bank of the latter saw it."""


def simulated(
    spec: SimulationSpec,
    dataset: Dataset,
    parts: np.ndarray,
    artefact: Artefact,
    warnings: Sequence[str],
    start: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Say where the model of a run over loans at hand comes from.

    Parameters
    ----------
    spec : SimulationSpec
        The run.
    dataset : Dataset
        Its loans.
    parts : numpy.ndarray
        ``(n,) int8``: the part of each.
    artefact : Artefact
        The model.
    warnings : sequence of str
        What a reader of its figures has to know.
    start : mapping or None
        The model that training went on from: plain values; None if it began with nothing.

    Returns
    -------
    dict
        Plain values.
    """
    sizes = {
        name: dataset.rows(k).stop - dataset.rows(k).start for k, name in enumerate(dataset.names)
    }
    return _body(
        artefact,
        run={"kind": SIMULATION, "name": None, **_configured(spec)},
        data={
            "source": str(spec.data.source),
            "schema": dataset.schema.name,
            **_counts(dataset.report, parts),
            "bads": int(dataset.y.sum()),
            **_months(dataset.decided),
        },
        institutions={"number": len(sizes), "loans": sizes},
        population=Population(
            dataset.schema.name, spec.data.target, spec.data.split, spec.data.approved_from
        ),
        decision_point=dataset.decision_point,
        warnings=warnings,
        seen_until=_seen_until(dataset.decided, parts),
        start=start,
    )


def deployed(
    spec: SimulationSpec,
    run: RunSpec,
    name: str,
    banks: Sequence[str],
    artefact: Artefact,
    test_loans: int,
    warnings: Sequence[str],
) -> dict[str, Any]:
    """Say where the model of a run over real banks comes from, as the operator knows it.

    Parameters
    ----------
    spec, run
        The run.
    name : str
        Of its folder.
    banks : sequence of str
        Those that took part.
    artefact : Artefact
        The model.
    test_loans : int
        Over all banks.
    warnings : sequence of str
        What a reader of its figures has to know.

    Returns
    -------
    dict
        Plain values; how many loans a bank has is the bank's own to say.
    """
    return _body(
        artefact,
        run={"kind": DEPLOYMENT, "name": name, **_configured(spec)},
        data={
            "source": DEPLOYMENT,
            "schema": run.population.schema,
            "fingerprint": None,
            "test": test_loans,
        },
        institutions={"number": len(banks), "loans": dict.fromkeys(banks)},
        population=run.population,
        decision_point=run.decision_point,
        warnings=warnings,
        seen_until=_latest(run.population),
    )


def at_bank(
    run: RunSpec,
    name: str,
    bank: str,
    report: DataReport,
    parts: np.ndarray,
    y: np.ndarray,
    artefact: Artefact,
    warnings: Sequence[str],
) -> dict[str, Any]:
    """Say where a received model comes from, as the bank that holds it knows it.

    Parameters
    ----------
    run : RunSpec
        What the bank was asked.
    name : str
        Of the run.
    bank : str
        The bank.
    report : DataReport
        Where the rows of its own source went.
    parts, y : numpy.ndarray
        ``(n,) int8``: part and outcome of its own loans.
    artefact : Artefact
        The model.
    warnings : sequence of str
        What a reader of figures on these loans has to know.

    Returns
    -------
    dict
        Plain values; the other banks are not known here.
    """
    return _body(
        artefact,
        run={
            "kind": BANK,
            "name": name,
            "seed": run.seed,
            "configuration_sha256": text_sha256(run.json_text),
            "strategy": None,
            "rounds": run.rounds,
            "privacy": None,
        },
        data={
            "source": BANK,
            "schema": run.population.schema,
            **_counts(report, parts),
            "bads": int(np.sum(y)),
        },
        institutions={"number": None, "loans": {bank: len(y)}},
        population=run.population,
        decision_point=run.decision_point,
        warnings=warnings,
        seen_until=_latest(run.population),
    )


def edited(
    provenance: Mapping[str, Any], sha256: str, kind: str, changed: Mapping[str, Any]
) -> dict[str, Any]:
    """Note that a file was made of another one.

    Parameters
    ----------
    provenance : mapping
        Of that one.
    sha256 : str
        Its name for life.
    kind : str
        ``policy`` or ``recalibration``.
    changed : mapping
        What was asked for, and what it led to.

    Returns
    -------
    dict
    """
    edits = [*provenance.get("edits", ()), {"kind": kind, "from_sha256": sha256, **changed}]
    found: dict[str, Any] = plain({**provenance, "edits": edits})
    return found


def _body(
    artefact: Artefact,
    *,
    run: Mapping[str, Any],
    data: Mapping[str, Any],
    institutions: Mapping[str, Any],
    population: Population,
    decision_point: KnownAt,
    warnings: Sequence[str],
    seen_until: str | None = None,
    start: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    features = [_feature(item, decision_point) for item in artefact.model.features]
    body = {
        "owner": None,
        "run": {**run, "best_round": artefact.about.get("best_round")},
        "model": {
            "family": artefact.spec.family,
            "sha256": artefact.sha256,
            "preprocessor_sha256": artefact.model.preparation_sha256,
            "exact": artefact.spec.family in EXACT_FAMILIES,
        },
        "data": data,
        "institutions": institutions,
        "target": {
            "text": population.target_text,
            "window_months": population.target.window_months,
            "approved_from": population.approved_from,
        },
        "as_of": population.target.as_of,
        "seen_until": seen_until,
        "start": None if start is None else dict(start),
        "decision_point": str(decision_point),
        "features": features,
        "late_fields": [item["name"] for item in features if item["late"]],
        "code": fingerprint_of_code(),
        "libraries": versions(),
        "warnings": list(warnings),
        "edits": [],
    }
    found: dict[str, Any] = plain(body)
    return found


def _configured(spec: SimulationSpec) -> dict[str, Any]:
    exact = spec.model.family in EXACT_FAMILIES
    return {
        "seed": spec.seed,
        "configuration_sha256": configuration_sha256(spec),
        "strategy": None if exact else spec.strategy.name,
        "rounds": spec.federation.num_rounds,
        "privacy": spec.privacy.channel,
    }


def _counts(report: DataReport, parts: np.ndarray) -> dict[str, Any]:
    counted = asdict(report)
    return {
        "fingerprint": counted.pop("fingerprint"),
        "rejected_reasons": dict(counted.pop("reasons")),
        **counted,
        **{part.name.lower(): int(np.sum(parts == part)) for part in Part},
    }


def _months(decided: np.ndarray) -> dict[str, str | None]:
    known = decided[~np.isnat(decided)].astype("datetime64[M]")
    if not len(known):
        return {"first_month": None, "last_month": None}
    return {"first_month": str(known.min()), "last_month": str(known.max())}


def _seen_until(decided: np.ndarray, parts: np.ndarray) -> str | None:
    """Return the last day of decision that the model has seen; None where one is not known."""
    seen = decided[(parts == Part.TRAIN) | (parts == Part.VALIDATION)]
    return None if not len(seen) or np.isnat(seen).any() else str(seen.max())


def _latest(population: Population) -> str | None:
    """Return the last day of decision that the model can have seen, by the run's settings."""
    span = span_of_population(population)
    return None if span is None else span[1]


def _feature(item: FeatureSpec, decision_point: KnownAt) -> dict[str, Any]:
    return {
        "name": item.name,
        "kind": str(item.kind),
        "known_at": str(item.known_at),
        "source": item.source,
        "engineered": item.recipe is not None,
        "late": item.known_at.rank > decision_point.rank,
    }
