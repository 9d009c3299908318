"""The common model as a file that the bank can register and serve, made at the bank.

Calibration, cut-off and evaluation are from the bank's own loans, and stay at the bank with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fed_credit.bank.cache import Prepared
from fed_credit.bank.received import Received
from fed_credit.config.bank import BankSpec
from fed_credit.config.convert import build
from fed_credit.config.decision import DecisionSpec
from fed_credit.config.location import conf_dir, schema_dir
from fed_credit.config.yaml_file import read_mapping
from fed_credit.data.book import Part
from fed_credit.data.load import resolve_schema
from fed_credit.drift.reference import reference_at_hand
from fed_credit.model_file.contents import ModelFile
from fed_credit.model_file.make import make_model_file
from fed_credit.model_file.provenance import at_bank
from fed_credit.model_file.samples import Judged, Sample, segments_of
from fed_credit.node.own_model import own_evaluation


def own_model_file(
    bank: BankSpec, run_id: int, received: Received, loans: Prepared, results: Mapping[str, Any]
) -> ModelFile:
    """Make the bank's own file of the model that a run ended with.

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
    results : mapping
        Of :func:`~fed_credit.node.own_model.compare_alone`.

    Returns
    -------
    ModelFile
        With the packaged decision settings; ``fed-credit model edit`` sets the bank's own.

    Raises
    ------
    FedCreditError
        If the bank's loans or schema cannot be read.
    """
    run, artefact = received.run, received.model
    schema = resolve_schema(bank.schema, schema_dir())
    features, y = loans.book.features, np.asarray(loans.book.y)
    pd = np.full(len(y), np.nan)
    for part in (Part.VALIDATION, Part.TEST):
        rows = np.flatnonzero(loans.parts == part)
        pd[rows] = artefact.score(features.iloc[rows])
    validation, test = (np.flatnonzero(loans.parts == p) for p in (Part.VALIDATION, Part.TEST))
    seen = (loans.parts == Part.TRAIN) | (loans.parts == Part.VALIDATION)
    reference = reference_at_hand(
        artefact.model.features,
        run.histogram_bins,
        features[seen],
        y[seen],
        y[validation],
        pd[validation],
        run.population.target.window_months,
        None,
    ).profile
    return make_model_file(
        artefact,
        schema,
        build(DecisionSpec, read_mapping(conf_dir() / "decision" / "default.yaml")),
        own_evaluation(),
        Judged(
            split=str(run.population.split.kind),
            validation=Sample.of(y[validation], pd[validation]),
            test=Sample.of(y[test], pd[test]),
            segments=segments_of(
                schema,
                features.iloc[test],
                np.asarray(loans.book.exposure)[test],
                None,
                y[test],
                pd[test],
            ),
            comparison=_comparison(bank.name, results),
        ),
        reference=reference.to_dict(),
        provenance=at_bank(
            run, str(run_id), bank.name, loans.report, loans.parts, y, artefact, loans.warnings
        ),
    )


def _comparison(name: str, results: Mapping[str, Any]) -> dict[str, Any]:
    """Say of this bank what the results of a simulation say of each."""
    auc = next(item for item in results["differences"] if item["measure"] == "auc")
    known = results["assessable"]
    counted = results["loans"]
    tested, bads = counted["test"], counted["test_bads"]
    verdict = auc["verdict"]
    return {
        "repeats": 1,
        "test": {},
        "institutions": [
            {
                "name": name,
                "n_train": counted["train"],
                "n_test": tested,
                "n_bad": bads,
                "bad_rate": bads / tested if tested else None,
                "assessable": known,
                "auc": {
                    "local": {"value": auc["alone"] if known else None},
                    "federated": {"value": auc["federated"] if known else None},
                },
                "delta": {
                    "federated_minus_local": {
                        key: auc[key] if known else None for key in ("value", "lo", "hi")
                    }
                },
            }
        ],
        "overall": {
            "federated_minus_local": {
                "gain": int(verdict == "better"),
                "lose": int(verdict == "worse"),
                "undecided": int(known and verdict not in ("better", "worse")),
                "not_assessable": int(not known),
            }
        },
    }
