"""Who gains: contenders compared over all test loans and bank by bank, with intervals.

Contenders are scored on the same test loans: the bank's own model (``local``), the federation's
(``federated``), one trained on all loans in one place (``pooled``) and, where the true PD is known,
the best that any model could do (``best_reachable``). The unit that counts is the bank: a mean over
banks hides the one that loses, so every assessable bank is listed, worst first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from fed_credit.config.spec import EvaluationSpec
from fed_credit.evaluation.intervals import (
    Interval,
    auc_interval,
    delong,
    delong_paired,
    difference_interval,
    normal_interval,
    resampled_interval,
)
from fed_credit.evaluation.metrics import Metrics, auc, measure
from fed_credit.evaluation.results import (
    Comparison,
    ContenderResult,
    DeltaResult,
    InstitutionResult,
)

CONTENDERS = ("local", "federated", "pooled", "best_reachable")
PAIRS: Mapping[str, tuple[str, str]] = {
    "federated_minus_local": ("federated", "local"),
    "federated_minus_pooled": ("federated", "pooled"),
    "pooled_minus_local": ("pooled", "local"),
}
_AUC_LIMITS = (0.0, 1.0)
_DELTA_LIMITS = (-1.0, 1.0)


@dataclass(frozen=True)
class RepeatScores:
    """The test loans of one split, scored by each contender.

    Parameters
    ----------
    institution : numpy.ndarray
        ``(n,) int``: code of the bank, into the names given to :func:`compare`.
    y : numpy.ndarray
        ``(n,) int8``: 1 bad, 0 good.
    scores : mapping of str to numpy.ndarray
        ``(n,) float64`` PDs by contender, see :data:`CONTENDERS`.
    n_train : numpy.ndarray
        ``(n_institutions,) int64``: training loans of each bank.
    """

    institution: np.ndarray
    y: np.ndarray
    scores: Mapping[str, np.ndarray]
    n_train: np.ndarray


def compare(
    repeats: Sequence[RepeatScores], names: Sequence[str], spec: EvaluationSpec
) -> Comparison:
    """Compare contenders over all test loans and bank by bank.

    Parameters
    ----------
    repeats : sequence of RepeatScores
        One per seeded split, all with the same contenders.
    names : sequence of str
        Banks, in the order of their codes.
    spec : EvaluationSpec
        Level of the intervals, loans needed, calibration groups.

    Returns
    -------
    Comparison
        On one split with DeLong's intervals (those of banks added as independent, since no two
        share a loan); over several with the corrected resampled t interval of the values per
        split, where the training loans of a bank, or of all banks for what is over all, give the
        correction. A bank is assessable with at least ``spec.min_bads`` (and one) bad and good test
        loans in every repeat; no other enters a mean over banks.

    Raises
    ------
    ValueError
        If there is no repeat, the repeats' contenders differ or are unknown, or arrays do not fit.
    """
    _check(repeats, names)
    contenders = tuple(name for name in CONTENDERS if name in repeats[0].scores)
    pairs = {name: pair for name, pair in PAIRS.items() if set(pair) <= set(contenders)}
    banks = _Bank.all(repeats, names, spec.min_bads)
    assessable = [bank for bank in banks if bank.assessable]
    # Over all banks: every test loan against every training loan.
    ratio = _ratio([len(r.y) for r in repeats], [int(r.n_train.sum()) for r in repeats])
    institutions = [bank.result(contenders, pairs, spec) for bank in banks]
    return Comparison(
        repeats=len(repeats),
        confidence=spec.confidence,
        min_bads=spec.min_bads,
        test={name: _contender(name, repeats, assessable, ratio, spec) for name in contenders},
        institutions=tuple(sorted(institutions, key=lambda bank: _worst_first(bank, pairs))),
        overall={
            name: _overall(
                _mean_over_banks(
                    [bank.deltas(*pair) for bank in assessable], ratio, spec, _DELTA_LIMITS
                ),
                [bank.delta[name] for bank in institutions],
            )
            for name, pair in pairs.items()
        },
    )


@dataclass(frozen=True)
class _Bank:
    """One bank's test loans by repeat."""

    name: str
    y: list[np.ndarray]
    scores: list[dict[str, np.ndarray]]
    n_train: list[int]
    assessable: bool

    @classmethod
    def all(
        cls, repeats: Sequence[RepeatScores], names: Sequence[str], min_bads: int
    ) -> list[_Bank]:
        rows = [_rows_by_bank(r.institution, len(names)) for r in repeats]
        banks = []
        for k, name in enumerate(names):
            mine = [(r, by_bank[k]) for r, by_bank in zip(repeats, rows, strict=True)]
            y = [r.y[at] for r, at in mine]
            banks.append(
                cls(
                    name=name,
                    y=y,
                    scores=[{c: p[at] for c, p in r.scores.items()} for r, at in mine],
                    n_train=[int(r.n_train[k]) for r in repeats],
                    assessable=all(
                        min(int(v.sum()), len(v) - int(v.sum())) >= max(min_bads, 1) for v in y
                    ),
                )
            )
        return banks

    @cached_property
    def areas(self) -> dict[str, list[float]]:
        """AUC by contender and repeat."""
        return {name: [auc(y, p) for y, p in self.loans(name)] for name in self.scores[0]}

    def loans(self, *contenders: str) -> list[tuple[np.ndarray, ...]]:
        """Return outcomes and the contenders' PDs by repeat."""
        return [
            (y, *(scores[name] for name in contenders))
            for y, scores in zip(self.y, self.scores, strict=True)
        ]

    def aucs(self, contender: str) -> tuple[list[float], float]:
        """Return the AUC by repeat and, for a single one, its variance."""
        if len(self.y) > 1:
            return self.areas[contender], float("nan")
        value, variance = delong(*self.loans(contender)[0])
        return [value], variance

    def deltas(self, a: str, b: str) -> tuple[list[float], float]:
        """Return the difference in AUC by repeat and, for a single one, its variance."""
        if len(self.y) > 1:
            by_repeat = zip(self.areas[a], self.areas[b], strict=True)
            return [one - other for one, other in by_repeat], float("nan")
        value, variance = delong_paired(*self.loans(a, b)[0])
        return [value], variance

    def result(
        self,
        contenders: Sequence[str],
        pairs: Mapping[str, tuple[str, str]],
        spec: EvaluationSpec,
    ) -> InstitutionResult:
        tested = [len(y) for y in self.y]
        bads = [int(y.sum()) for y in self.y]
        ratio = _ratio(tested, self.n_train)
        aucs: dict[str, Interval | None] = dict.fromkeys(contenders)
        deltas: dict[str, Interval | None] = dict.fromkeys(pairs)
        if self.assessable:
            aucs = {name: self._auc(name, ratio, spec) for name in contenders}
            deltas = {name: self._delta(pair, ratio, spec) for name, pair in pairs.items()}
        return InstitutionResult(
            name=self.name,
            n_train=float(np.mean(self.n_train)),
            n_test=float(np.mean(tested)),
            n_bad=float(np.mean(bads)),
            bad_rate=sum(bads) / sum(tested) if sum(tested) else None,
            assessable=self.assessable,
            auc=aucs,
            delta=deltas,
        )

    def _auc(self, contender: str, ratio: float, spec: EvaluationSpec) -> Interval:
        if len(self.y) == 1:
            return auc_interval(self.y[0], self.scores[0][contender], spec.confidence)
        return resampled_interval(self.areas[contender], ratio, spec.confidence, limits=_AUC_LIMITS)

    def _delta(self, pair: tuple[str, str], ratio: float, spec: EvaluationSpec) -> Interval:
        if len(self.y) == 1:
            y, p_a, p_b = self.loans(*pair)[0]
            return difference_interval(y, p_a, p_b, spec.confidence)
        values, _ = self.deltas(*pair)
        return resampled_interval(values, ratio, spec.confidence, limits=_DELTA_LIMITS)


def _contender(
    name: str,
    repeats: Sequence[RepeatScores],
    assessable: Sequence[_Bank],
    ratio: float,
    spec: EvaluationSpec,
) -> ContenderResult:
    by_repeat = [
        measure(r.y, r.scores[name], calibration_bins=spec.calibration_bins) for r in repeats
    ]
    if len(repeats) == 1:
        area = auc_interval(repeats[0].y, repeats[0].scores[name], spec.confidence)
    else:
        areas = [metrics.auc for metrics in by_repeat]
        area = resampled_interval(areas, ratio, spec.confidence, limits=_AUC_LIMITS)
    return ContenderResult(
        metrics=_mean_metrics(by_repeat),
        auc=area,
        auc_mean_banks=_mean_over_banks(
            [bank.aucs(name) for bank in assessable], ratio, spec, _AUC_LIMITS
        ),
        banks=len(assessable),
    )


def _rows_by_bank(institution: np.ndarray, banks: int) -> list[np.ndarray]:
    order = np.argsort(institution, kind="stable")
    return np.split(order, np.bincount(institution, minlength=banks).cumsum()[:-1])


def _mean_over_banks(
    banks: Sequence[tuple[list[float], float]],
    ratio: float,
    spec: EvaluationSpec,
    limits: tuple[float, float],
) -> Interval | None:
    """Average values by repeat over banks; variances of independent banks add."""
    if not banks:
        return None
    by_repeat = np.mean([values for values, _ in banks], axis=0)
    if len(by_repeat) == 1:
        variance = sum(variance for _, variance in banks) / len(banks) ** 2
        return normal_interval(float(by_repeat[0]), variance, spec.confidence, limits=limits)
    return resampled_interval(by_repeat.tolist(), ratio, spec.confidence, limits=limits)


def _overall(mean: Interval | None, deltas: Sequence[Interval | None]) -> DeltaResult:
    known = [delta for delta in deltas if delta is not None]
    gain = sum(delta.lo > 0.0 for delta in known)
    lose = sum(delta.hi < 0.0 for delta in known)
    return DeltaResult(mean, gain, lose, len(known) - gain - lose, len(deltas) - len(known))


def _worst_first(
    bank: InstitutionResult, pairs: Mapping[str, tuple[str, str]]
) -> tuple[bool, float, str]:
    if not bank.assessable:
        return (True, 0.0, bank.name)
    by = next(iter(bank.delta.values() if pairs else bank.auc.values()))
    assert by is not None  # an assessable bank has all of them
    return (False, by.value, bank.name)


def _ratio(tested: Sequence[int], trained: Sequence[int]) -> float:
    return sum(tested) / sum(trained) if sum(trained) else float("nan")


def _mean_metrics(results: Sequence[Metrics]) -> Metrics:
    return Metrics(
        **{
            item.name: float(np.mean([getattr(result, item.name) for result in results]))
            for item in fields(Metrics)
        }
    )


def _check(repeats: Sequence[RepeatScores], names: Sequence[str]) -> None:
    if not repeats:
        raise ValueError("a comparison needs at least one repeat")
    for r in repeats:
        if set(r.scores) != set(repeats[0].scores) or not r.scores:
            raise ValueError("repeats must hold the same contenders, at least one")
        if unknown := set(r.scores) - set(CONTENDERS):
            raise ValueError(f"unknown contenders {sorted(unknown)}; known are {CONTENDERS}")
        if r.institution.shape != r.y.shape or r.n_train.shape != (len(names),):
            raise ValueError("institution and y must be of one length, n_train one per bank")
        if len(r.y) and not 0 <= r.institution.min() <= r.institution.max() < len(names):
            raise ValueError(f"institution codes must lie in 0..{len(names) - 1}")
