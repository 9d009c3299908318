"""Rating grades: a master scale of PDs, and how it held."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fed_credit.errors import ConfigurationError
from fed_credit.scorecard.calibration import ScoreCounts


@dataclass(frozen=True)
class MasterScale:
    """Grades by PD.

    Parameters
    ----------
    names : tuple of str
        Grades, best first.
    limits : tuple of float
        Upper limit of each grade's PD, which belongs to the next grade; the last is 1.

    Raises
    ------
    ConfigurationError
        If there is no grade, or the limits do not rise to 1.
    """

    names: tuple[str, ...]
    limits: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip((0.0, *self.limits), self.limits, strict=False))
        if not self.limits or not rising or self.limits[-1] != 1.0:
            raise ConfigurationError(
                f"The grades' limits {list(self.limits)} have to rise from above 0 to 1; mend"
                " model.rating.grades."
            )

    @classmethod
    def of(cls, grades: Mapping[str, float]) -> MasterScale:
        """Take names and upper limits as a configuration states them."""
        return cls(tuple(grades), tuple(float(limit) for limit in grades.values()))

    def grade(self, pd: np.ndarray) -> np.ndarray:
        """Return the position of each PD's grade, ``(n,) int64``."""
        position = np.searchsorted(np.array(self.limits), pd, side="right")
        return np.minimum(position, len(self.names) - 1)


@dataclass(frozen=True)
class GradeRow:
    """One grade, or several neighbouring ones, and the loans in it.

    Parameters
    ----------
    name : str
        Grade, or the first and the last.
    low_pd, high_pd : float
        Its limits.
    low_score, high_score : int or None
        Scores that lead to it; None if none does.
    loans, bads : int
        Loans in it, and bad ones among them.
    share : float
        Of all loans.
    mean_pd, bad_rate : float
        Promised and observed; NaN where there are no loans.
    p_value : float
        Of as many bads or more if the mean PD is right (binomial, one-sided; Basel Committee,
        Working Paper 14, 2005); NaN where there are no loans.
    """

    name: str
    low_pd: float
    high_pd: float
    low_score: int | None
    high_score: int | None
    loans: int
    bads: int
    share: float
    mean_pd: float
    bad_rate: float
    p_value: float


def grade_table(
    scale: MasterScale, counts: ScoreCounts, pd_of_scores: np.ndarray, *, min_cell: int
) -> Sequence[GradeRow]:
    """Compare each grade's PD with what happened.

    Parameters
    ----------
    scale : MasterScale
        The grades.
    counts : ScoreCounts
        Goods and bads per score.
    pd_of_scores : numpy.ndarray
        ``(k,) float64``: PD of each score.
    min_cell : int
        Neighbouring grades share a row until it holds so many loans.

    Returns
    -------
    list of GradeRow
        Best grade first.
    """
    grade = scale.grade(pd_of_scores)
    loans = np.bincount(grade, counts.loans, minlength=len(scale.names))
    rows: list[list[int]] = [[]]
    for k in range(len(scale.names)):
        if rows[-1] and loans[rows[-1]].sum() >= min_cell and loans[k:].sum() >= min_cell:
            rows.append([])
        rows[-1].append(k)
    return [_grade_row(scale, counts, pd_of_scores, grade, row) for row in rows]


def _grade_row(
    scale: MasterScale,
    counts: ScoreCounts,
    pd_of_scores: np.ndarray,
    grade: np.ndarray,
    row: list[int],
) -> GradeRow:
    from scipy.stats import binom

    inside = (grade >= row[0]) & (grade <= row[-1])
    loans, bads = int(counts.loans[inside].sum()), int(counts.bads[inside].sum())
    promised = float((counts.loans * pd_of_scores)[inside].sum()) / loans if loans else math.nan
    scores = counts.scores[inside]
    return GradeRow(
        name=" to ".join(scale.names[k] for k in sorted({row[0], row[-1]})),
        low_pd=scale.limits[row[0] - 1] if row[0] else 0.0,
        high_pd=scale.limits[row[-1]],
        low_score=int(scores.min()) if len(scores) else None,
        high_score=int(scores.max()) if len(scores) else None,
        loans=loans,
        bads=bads,
        share=loans / max(1, int(counts.loans.sum())),
        mean_pd=promised,
        bad_rate=bads / loans if loans else math.nan,
        p_value=float(binom.sf(bads - 1, loans, promised)) if loans else math.nan,
    )
