"""The population that a model was made on: what drift is measured against.

It is counted by groups that follow from sums over all banks, so a profile of the pooled loans is
the sum of the banks' profiles, bit for bit. Features are counted over training and validation
loans. Scores are those of validation loans alone: a model is surer of loans that it has learned by
heart, and a population scored later would seem to have drifted from them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fed_credit.drift.groups import Groups
from fed_credit.errors import ArtefactError
from fed_credit.evaluation.bounds import roc_area
from fed_credit.evaluation.sums import ScoreSums

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Profile:
    """A reference population.

    Parameters
    ----------
    groups : Groups
        What it is counted by.
    loans : int
        Training and validation loans.
    features : mapping of str to numpy.ndarray
        ``(groups + 2,) int64`` by feature: loans per group, of values that are not listed, and
        missing ones.
    score : ScoreSums
        Of validation loans, over the score's cells, with the model's own PDs.
    window_months : int or None
        Performance window of their outcomes; None for a final status.
    span : tuple of str or None
        First and last day of decision, ``YYYY-MM-DD``, of the time that the loans are from; a bank
        finds its own loans of that time by it. None where it is not known.
    """

    groups: Groups
    loans: int
    features: Mapping[str, np.ndarray]
    score: ScoreSums
    window_months: int | None
    span: tuple[str, str] | None = None

    def __add__(self, other: Profile) -> Profile:
        if self.groups != other.groups or self.window_months != other.window_months:
            raise ValueError("profiles over other groups or windows cannot be added")
        return Profile(
            self.groups,
            self.loans + other.loans,
            {name: counts + other.features[name] for name, counts in self.features.items()},
            self.score + other.score,
            self.window_months,
            _joined(self.span, other.span),
        )

    @property
    def scored(self) -> int:
        """Validation loans."""
        return self.score.n

    @property
    def bads(self) -> int:
        """Bad ones among them."""
        return int(self.score.bads.sum())

    @property
    def default_rate(self) -> float:
        """Of the validation loans; NaN without any."""
        return self.bads / self.scored if self.scored else float("nan")

    @property
    def mean_pd(self) -> float:
        """Mean of the model's own PD over validation loans; NaN without any."""
        return float(self.score.pd_sum.sum()) / self.scored if self.scored else float("nan")

    @property
    def auc(self) -> float:
        """Of validation loans, with those of one cell as ties; NaN with one class alone."""
        return roc_area(self.score.goods, self.score.bads).value

    def only(self, names: Collection[str]) -> Profile:
        """Return the profile of some of the features."""
        features = tuple(one for one in self.groups.features if one.name in names)
        return replace(
            self,
            groups=replace(self.groups, features=features),
            features={one.name: self.features[one.name] for one in features},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, which :meth:`from_dict` reads."""
        score = {name: array.tolist() for name, array in self.score.arrays().items()}
        return {
            "format": FORMAT,
            "loans": self.loans,
            "window_months": self.window_months,
            "span": None if self.span is None else list(self.span),
            "features": [
                {**feature.as_dict(), "counts": self.features[feature.name].tolist()}
                for feature in self.groups.features
            ],
            "score": {**self.groups.score.as_dict(), **score},
            # For people; nothing is read from here.
            "summary": {
                "scored": self.scored,
                "bads": self.bads,
                "default_rate": self.default_rate,
                "mean_model_pd": self.mean_pd,
                "auc": self.auc,
            },
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Profile:
        """Read what :meth:`to_dict` wrote, also after a detour through JSON.

        Raises
        ------
        ArtefactError
            If it is no profile, or one of another format.
        """
        try:
            if raw["format"] != FORMAT:
                raise ArtefactError(
                    f"The reference population has format {raw['format']}, and this version reads"
                    f" {FORMAT}; train the model anew."
                )
            groups = Groups.from_dict(raw)
            features = {
                str(one["name"]): _counts(one["counts"], feature.size)
                for one, feature in zip(raw["features"], groups.features, strict=True)
            }
            score, window = raw["score"], raw["window_months"]
            sums = ScoreSums(
                _counts(score["goods"], groups.score.size),
                _counts(score["bads"], groups.score.size),
                np.array(score["pd_sum"], np.float64),
                float(score["log_loss"]),
                float(score["squared_error"]),
            )
            if len(sums.pd_sum) != groups.score.size:
                raise ValueError("sums of another number of cells")
            span = raw["span"]
            return cls(
                groups,
                int(raw["loans"]),
                features,
                sums,
                None if window is None else int(window),
                None if span is None else (str(span[0]), str(span[1])),
            )
        except (LookupError, TypeError, ValueError) as error:
            raise ArtefactError(
                f"The reference population cannot be read ({error}); restore the model's file."
            ) from None


def _joined(one: tuple[str, str] | None, other: tuple[str, str] | None) -> tuple[str, str] | None:
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), max(one[1], other[1])


def _counts(raw: Any, size: int) -> np.ndarray:
    counts = np.array([int(count) for count in raw], np.int64)
    if len(counts) != size or (counts < 0).any():
        raise ValueError("counts that do not fit the groups")
    return counts
