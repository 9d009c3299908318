"""Which features a scorecard takes: information value, correlation, variance inflation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fed_credit.config.scorecard import SelectionSpec
from fed_credit.models.moments import inflation
from fed_credit.scorecard.binning import Binning


@dataclass(frozen=True)
class Choice:
    """Whether a feature is taken, and why not.

    Parameters
    ----------
    feature : str
        Its name.
    information : float
        Information value.
    reason : str
        Why it is left out; empty if it is taken.
    """

    feature: str
    information: float
    reason: str = ""

    @property
    def taken(self) -> bool:
        """Whether the scorecard has it."""
        return not self.reason


def by_information(binnings: Sequence[Binning], spec: SelectionSpec) -> tuple[Choice, ...]:
    """Choose features by their information value alone.

    Parameters
    ----------
    binnings : sequence of Binning
        Of all features.
    spec : SelectionSpec
        Limits.

    Returns
    -------
    tuple of Choice
        In the order of the features.
    """
    return tuple(
        Choice(binning.name, binning.information, _by_information(binning, spec))
        for binning in binnings
    )


def _by_information(binning: Binning, spec: SelectionSpec) -> str:
    value = binning.information
    if len(binning.classes) < 2:
        return "it has one class"
    if value < spec.min_iv:
        return f"its information value {value:.4f} is below {spec.min_iv:g}"
    if spec.max_iv is not None and value > spec.max_iv:
        return f"its information value {value:.4f} is above {spec.max_iv:g}, too good to be true"
    return ""


def by_correlation(
    choices: Sequence[Choice], correlation: np.ndarray, spec: SelectionSpec
) -> tuple[Choice, ...]:
    """Choose among the features taken so far by how they depend on each other.

    In falling order of information value a feature is left out if it is correlated too closely with
    one already taken. Of the others the one with the highest variance inflation factor is left out
    as long as that is too high.

    Parameters
    ----------
    choices : sequence of Choice
        As from :func:`by_information`.
    correlation : numpy.ndarray
        ``(k, k) float64``: correlations of the weights of evidence of the ``k`` features taken, in
        their order.
    spec : SelectionSpec
        Limits.

    Returns
    -------
    tuple of Choice
        In the order of the features.
    """
    taken = [choice for choice in choices if choice.taken]
    reasons: dict[str, str] = {}
    kept: list[int] = []
    for k in sorted(range(len(taken)), key=lambda k: (-taken[k].information, k)):
        near = [j for j in kept if abs(correlation[k, j]) > spec.max_correlation]
        if near:
            j = max(near, key=lambda j: (abs(correlation[k, j]), -j))
            reasons[taken[k].feature] = (
                f"its correlation with {taken[j].feature} is {correlation[k, j]:.3f}, beyond"
                f" {spec.max_correlation:g}"
            )
        else:
            kept.append(k)
    kept.sort()
    while len(kept) > 1:
        factors = inflation(correlation[np.ix_(kept, kept)])
        # Of equal factors, as in a pair that depends on each other, the less informative goes.
        factor, _, worst = max(
            (round(float(factor), 6), -taken[k].information, k)
            for k, factor in zip(kept, factors, strict=True)
        )
        if factor <= spec.max_vif:
            break
        reasons[taken[worst].feature] = (
            f"its variance inflation factor {factor:.2f} is above {spec.max_vif:g}"
        )
        kept.remove(worst)
    return tuple(
        Choice(c.feature, c.information, reasons.get(c.feature, c.reason)) for c in choices
    )
