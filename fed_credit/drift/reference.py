"""Making the reference population from sums, in one question to the banks.

Numbers are counted by universal bins and scores by universal cells, since groups of equal share are
known only once all banks have answered. What is kept of it is counted by groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fed_credit.data.schema import Kind
from fed_credit.drift.groups import (
    FeatureGroups,
    Groups,
    ScoreGroups,
    category_groups,
    number_groups,
    score_groups,
)
from fed_credit.drift.profile import Profile
from fed_credit.evaluation.sums import FRACTION_BITS, ScoreSums, edges, score_sums, shapes
from fed_credit.features.bins import NUM_BINS, bin_limits
from fed_credit.features.questions import Arrays
from fed_credit.features.spec import FeatureSpec
from fed_credit.features.statistics import count, counts_spec
from fed_credit.releases import Entry, ReleaseSpec

SCORES = "scores/"
_STARTS = np.array([bin_limits(index)[0] for index in range(NUM_BINS)])
FRACTION_BOUND = float(2**26)


@dataclass(frozen=True)
class ReferenceQuestion:
    """Asks for what a reference population is made of.

    Parameters
    ----------
    features : tuple of FeatureSpec
        The model's.
    bins : int
        Universal cells of the PD.
    """

    features: tuple[FeatureSpec, ...]
    bins: int

    def layout(self) -> ReleaseSpec:
        """Return the layout.

        Returns
        -------
        ReleaseSpec
            Of training and validation loans what
            :func:`fed_credit.features.statistics.counts_spec` lays out; of validation loans score
            sums, as an evaluation has them.
        """
        scores = [
            Entry(f"{SCORES}{name}", shape, FRACTION_BITS[name], FRACTION_BOUND)
            for name, shape in shapes(self.bins).items()
        ]
        return ReleaseSpec("reference", (*counts_spec(self.features).entries, *scores))

    def answer(
        self, frame: pd.DataFrame, y: np.ndarray, scored_y: np.ndarray, model_pd: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return one bank's answer.

        Parameters
        ----------
        frame, y : pandas.DataFrame and numpy.ndarray
            ``(n, ...)`` and ``(n,) int8``: training and validation loans.
        scored_y, model_pd : numpy.ndarray
            ``(k,) int8`` and ``(k,) float64``: outcome and the model's own PD of validation loans.
        """
        sums = score_sums(scored_y, model_pd, bins=self.bins).arrays()
        named = {f"{SCORES}{name}": array for name, array in sums.items()}
        return {**count(self.features, frame, y), **named}


@dataclass(frozen=True, eq=False)
class Reference:
    """What the answers add up to.

    Parameters
    ----------
    profile : Profile
        The reference population.
    validation : ScoreSums
        Validation loans over universal cells of the model's own PD, as an evaluation gives them.
    """

    profile: Profile
    validation: ScoreSums


def read_reference(
    features: Sequence[FeatureSpec],
    sums: Arrays,
    window_months: int | None,
    span: tuple[str, str] | None,
) -> Reference:
    """Read the decoded sum of the answers to a :class:`ReferenceQuestion`.

    Parameters
    ----------
    features : sequence of FeatureSpec
        As asked.
    sums : mapping of str to numpy.ndarray
        In the question's layout.
    window_months, span
        As in a :class:`~fed_credit.drift.profile.Profile`.
    """
    scores = ScoreSums.from_arrays(
        {name[len(SCORES) :]: array for name, array in sums.items() if name.startswith(SCORES)}
    )
    made = [_feature(feature, sums) for feature in features]
    score = score_groups(scores.goods + scores.bads, edges(scores.bins))
    profile = Profile(
        Groups(tuple(groups for groups, _ in made), score),
        int(sums["n"]),
        {groups.name: counts for groups, counts in made},
        _coarse(scores, score),
        window_months,
        span,
    )
    return Reference(profile, scores)


def reference_at_hand(
    features: Sequence[FeatureSpec],
    bins: int,
    frame: pd.DataFrame,
    y: np.ndarray,
    scored_y: np.ndarray,
    model_pd: np.ndarray,
    window_months: int | None,
    span: tuple[str, str] | None,
) -> Reference:
    """Make the reference population of loans at hand: the bits that the sum over banks gives.

    Parameters
    ----------
    features, bins
        As for :class:`ReferenceQuestion`.
    frame, y, scored_y, model_pd
        As for :meth:`ReferenceQuestion.answer`.
    window_months, span
        As in a :class:`~fed_credit.drift.profile.Profile`.
    """
    question = ReferenceQuestion(tuple(features), bins)
    answer = question.answer(frame, y, scored_y, model_pd)
    layout = question.layout()
    return read_reference(features, layout.decode(layout.encode(answer)), window_months, span)


def _feature(
    feature: FeatureSpec, sums: Mapping[str, np.ndarray]
) -> tuple[FeatureGroups, np.ndarray]:
    name = feature.name
    if feature.kind is Kind.NUMERIC:
        histogram = sums[f"{name}/histogram"]
        groups = number_groups(feature, histogram)
        ends = np.searchsorted(np.array(groups.cuts), _STARTS, side="right")
        counts = np.bincount(ends, histogram, len(groups.groups)).astype(np.int64)
        return groups, groups.folded(np.append(counts, sums[f"{name}/missing"]))
    counts = sums[f"{name}/counts"]
    listed = counts[:-1] if feature.kind is Kind.BOOLEAN else counts[:-2]
    groups = category_groups(feature, listed)
    return groups, groups.folded(counts)


def _coarse(sums: ScoreSums, groups: ScoreGroups) -> ScoreSums:
    """Return sums over universal cells as sums over the score's cells; each addition is exact."""
    cell = groups.cells(edges(sums.bins)[:-1])
    goods, bads = (
        np.bincount(cell, part, groups.size).astype(np.int64) for part in (sums.goods, sums.bads)
    )
    pd_sum = np.bincount(cell, sums.pd_sum, groups.size)
    return ScoreSums(goods, bads, pd_sum, sums.log_loss, sums.squared_error)
