"""What a comparison of contenders finds, and its plain form for ``results.json``.

:func:`fed_credit.evaluation.comparison.compare` makes these; nothing here computes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fed_credit.evaluation.intervals import Interval
from fed_credit.evaluation.metrics import Metrics


@dataclass(frozen=True)
class ContenderResult:
    """One contender over all banks.

    Parameters
    ----------
    metrics : Metrics
        Over all test loans, mean over repeats.
    auc : Interval
        Over all test loans.
    auc_mean_banks : Interval or None
        Mean over the assessable banks of the bank's AUC; ``None`` if there is none.
    banks : int
        How many banks that mean is over.
    """

    metrics: Metrics
    auc: Interval
    auc_mean_banks: Interval | None
    banks: int


@dataclass(frozen=True)
class InstitutionResult:
    """One bank.

    Parameters
    ----------
    name : str
        The bank.
    n_train, n_test, n_bad : float
        Training loans, test loans and bads among them, mean over repeats.
    bad_rate : float or None
        Share of bads in the test loans of all repeats; ``None`` without test loans.
    assessable : bool
        Whether the bank has enough test loans of each class in every repeat.
    auc : mapping of str to Interval or None
        By contender; ``None`` if the bank is not assessable.
    delta : mapping of str to Interval or None
        By pair of contenders (``federated_minus_local``, ...); ``None`` if the bank is not
        assessable.
    """

    name: str
    n_train: float
    n_test: float
    n_bad: float
    bad_rate: float | None
    assessable: bool
    auc: Mapping[str, Interval | None]
    delta: Mapping[str, Interval | None]


@dataclass(frozen=True)
class DeltaResult:
    """One pair of contenders over all banks.

    Parameters
    ----------
    mean : Interval or None
        Mean over the assessable banks of the difference in AUC; ``None`` if there is none.
    gain, lose, undecided : int
        Assessable banks whose interval lies above 0, below 0, or holds it. Each interval stands
        for itself: of many banks that do not differ, one in ``2 / (1 - confidence)`` shows up as
        gaining by chance, and as many as losing.
    not_assessable : int
        The other banks.
    """

    mean: Interval | None
    gain: int
    lose: int
    undecided: int
    not_assessable: int


@dataclass(frozen=True)
class Comparison:
    """Contenders compared.

    Parameters
    ----------
    repeats : int
        Seeded splits.
    confidence : float
        Level of all intervals.
    min_bads : int
        Bad and good test loans that a bank needs to be assessable.
    test : mapping of str to ContenderResult
        By contender.
    institutions : tuple of InstitutionResult
        Worst ``federated_minus_local`` first (or the first pair at hand, or else the first
        contender's AUC), then the banks that are not assessable, by name.
    overall : mapping of str to DeltaResult
        By pair of contenders.
    """

    repeats: int
    confidence: float
    min_bads: int
    test: Mapping[str, ContenderResult]
    institutions: tuple[InstitutionResult, ...]
    overall: Mapping[str, DeltaResult]


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as plain values.

    Parameters
    ----------
    comparison : Comparison
        From :func:`fed_credit.evaluation.comparison.compare`.

    Returns
    -------
    dict
        ``test.{contender}`` with the metrics as numbers, ``auc_interval``, ``auc_mean_banks`` with
        ``auc_mean_banks_interval`` and ``banks``; ``institutions``, a list; ``overall.{pair}`` with
        ``value``, ``lo``, ``hi`` and the counts of banks; ``repeats``, ``confidence`` and
        ``min_bads``. Only dict, list, str, bool, int, float and None; what is not defined is None,
        never NaN. Intervals keep their three keys even then.
    """
    return {
        "repeats": comparison.repeats,
        "confidence": comparison.confidence,
        "min_bads": comparison.min_bads,
        "test": {name: _contender(result) for name, result in comparison.test.items()},
        "institutions": [_institution(result) for result in comparison.institutions],
        "overall": {
            name: {
                **_interval(result.mean),
                "gain": result.gain,
                "lose": result.lose,
                "undecided": result.undecided,
                "not_assessable": result.not_assessable,
            }
            for name, result in comparison.overall.items()
        },
    }


def _contender(result: ContenderResult) -> dict[str, Any]:
    mean = _interval(result.auc_mean_banks)
    return {
        **{name: _number(value) for name, value in asdict(result.metrics).items()},
        "auc_interval": _ends(_interval(result.auc)),
        "auc_mean_banks": mean["value"],
        "auc_mean_banks_interval": _ends(mean),
        "banks": result.banks,
    }


def _institution(result: InstitutionResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "n_train": _count(result.n_train),
        "n_test": _count(result.n_test),
        "n_bad": _count(result.n_bad),
        "bad_rate": _number(result.bad_rate),
        "assessable": result.assessable,
        "auc": {name: _interval(value) for name, value in result.auc.items()},
        "delta": {name: _interval(value) for name, value in result.delta.items()},
    }


def _interval(interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return dict.fromkeys(("value", "lo", "hi"))
    return {
        "value": _number(interval.value),
        "lo": _number(interval.lo),
        "hi": _number(interval.hi),
    }


def _ends(interval: dict[str, float | None]) -> dict[str, float | None]:
    return {"lo": interval["lo"], "hi": interval["hi"]}


def _number(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _count(value: float) -> int | float:
    """Return a mean of counts as a whole number where it is one."""
    return int(value) if value == int(value) else float(value)
