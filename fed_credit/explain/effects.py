"""What features do over all banks' loans, from sums: mean contributions and partial dependence.

Partial dependence (Friedman, *Greedy function approximation*, Annals of Statistics 29, 2001) is the
mean prediction over loans whose value of one feature is replaced by that of a grid. A mean is a sum
over a number of loans, so banks release both; each loan's value is rounded before it is added, so
the sums are those of the pooled loans bit for bit. The grid follows from the model: both sides know
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fed_credit.explain.explainer import Explainer
from fed_credit.families.binned import loan_keys
from fed_credit.features.questions import Arrays
from fed_credit.releases import Entry, ReleaseSpec, quantise

_BITS, _BOUND = 20, float(2**30)


@dataclass(frozen=True)
class EffectsQuestion:
    """Asks what a model's features do.

    Parameters
    ----------
    drawn : tuple of str
        Features whose partial dependence is asked for.
    points : int
        Values of each at which to look, besides missing.
    one_in : int
        Every so many loans are looked at, chosen by what the model sees of them, so that the sample
        does not depend on who holds a loan; 1 for all.
    """

    drawn: tuple[str, ...]
    points: int
    one_in: int

    def layout(self, explainer: Explainer) -> ReleaseSpec:
        """Return the layout: loans, sums of absolute contributions, and of log-odds and PDs."""
        sums = [Entry("absolute", (len(explainer.features),), _BITS, _BOUND)]
        for name in self.drawn:
            size = len(explainer.grid(explainer.features.index(name), self.points))
            sums += [Entry(f"{name}/{what}", (size,), _BITS, _BOUND) for what in ("log_odds", "pd")]
        return ReleaseSpec("effects", (Entry("n", ()), *sums))

    def answer(self, explainer: Explainer, frame: pd.DataFrame) -> Arrays:
        """Return one bank's sums over its loans, ``(n, ...)``."""
        matrix = explainer.matrix(frame)
        if self.one_in > 1:
            seen = np.ascontiguousarray(matrix, dtype=np.float32).view(np.uint32)
            matrix = matrix[loan_keys(seen) % np.uint64(self.one_in) == 0]
        absolute = np.abs(explainer.contributions(matrix).amounts)
        sums = {"n": np.array(len(matrix)), "absolute": _summed(absolute)}
        for name in self.drawn:
            feature = explainer.features.index(name)
            grid = explainer.grid(feature, self.points)
            replaced, own = matrix.copy(), explainer.owner == feature
            odds, pds = np.empty((2, len(grid), len(matrix)))
            for k, point in enumerate(grid):
                replaced[:, own] = point.columns
                odds[k] = explainer.log_odds(replaced)
                pds[k] = explainer.default_probability(odds[k])
            sums[f"{name}/log_odds"], sums[f"{name}/pd"] = _summed(odds.T), _summed(pds.T)
        return sums


def _summed(values: np.ndarray) -> np.ndarray:
    found: np.ndarray = quantise(values, _BITS).sum(axis=0)
    return found


def ranked_by_model(explainer: Explainer, most: int) -> tuple[str, ...]:
    """Return the features that the model itself ranks first, those that it does not use left out.

    Parameters
    ----------
    explainer : Explainer
        Of the model.
    most : int
        How many at most.
    """
    first = {name: next(iter(own.values())) for name, own in explainer.own_importance().items()}
    ranked = sorted(first, key=lambda name: -first[name])
    return tuple(name for name in ranked if first[name] > 0.0)[:most]


def described_effects(
    explainer: Explainer, question: EffectsQuestion, sums: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Read the decoded sum of the answers.

    Parameters
    ----------
    explainer : Explainer
        Of the model.
    question : EffectsQuestion
        What was asked.
    sums : mapping of str to numpy.ndarray
        The sum over banks.

    Returns
    -------
    dict
        ``loans`` looked at; ``importance``, a list by falling mean absolute contribution with
        ``feature``, ``mean_absolute`` (log-odds), ``share`` of all, and the model's own figures;
        ``dependence``, a list of ``feature`` and its ``points`` with ``label``, ``value``,
        ``log_odds`` and ``pd``, most important first.
    """
    n = int(sums["n"])
    means = np.asarray(sums["absolute"], np.float64) / max(1, n)
    total = float(means.sum())
    own = explainer.own_importance()
    order = np.argsort(-means, kind="stable").tolist() if n else range(len(means))
    importance = [
        {
            "feature": explainer.features[k],
            "mean_absolute": float(means[k]) if n else None,
            "share": float(means[k]) / total if total else None,
            **own[explainer.features[k]],
        }
        for k in order
    ]
    drawn = [row["feature"] for row in importance if row["feature"] in question.drawn] if n else []
    return {
        "loans": n,
        "importance": importance,
        "dependence": [
            {"feature": name, "points": _points(explainer, question, name, sums, n)}
            for name in drawn
        ],
    }


def _points(
    explainer: Explainer,
    question: EffectsQuestion,
    name: str,
    sums: Mapping[str, np.ndarray],
    n: int,
) -> Sequence[dict[str, Any]]:
    grid = explainer.grid(explainer.features.index(name), question.points)
    return [
        {"label": point.label, "value": point.value, "log_odds": odds / n, "pd": pd_ / n}
        for point, odds, pd_ in zip(
            grid, sums[f"{name}/log_odds"].tolist(), sums[f"{name}/pd"].tolist(), strict=True
        )
    ]
