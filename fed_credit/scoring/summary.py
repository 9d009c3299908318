"""What came of scoring a table, in figures that add up over its chunks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from fed_credit.decision.policy import VERDICTS, DecisionPolicy
from fed_credit.scoring.result import Scores

_UNIT = 2**40  # PDs are rounded to its fractions, so that their sum does not depend on the chunks


@dataclass
class Summary:
    """Counts over a table.

    Parameters
    ----------
    rows, scored, rejected : int
        Rows read, and what became of them; the latter two add up to the first.
    reasons : Counter of str
        Rejected rows by field and reason; a row may have several.
    verdicts, grades : Counter of int
        Scored loans by the code of their verdict, and by the position of their grade.
    pd_sum : int
        Sum of their PDs, in units of ``2**-40``.
    explained : int
        Loans that got reasons.
    """

    rows: int = 0
    scored: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[int] = field(default_factory=Counter)
    grades: Counter[int] = field(default_factory=Counter)
    pd_sum: int = 0
    explained: int = 0

    @classmethod
    def of(cls, rows: int, scores: Scores, rejected: pd.DataFrame, explained: int) -> Summary:
        """Count one chunk.

        Raises
        ------
        RuntimeError
            If a row was lost or counted twice, which is a bug.
        """
        set_aside = int(rejected["row"].nunique())
        if len(scores.pd) + set_aside != rows:
            raise RuntimeError(f"{rows} rows became {len(scores.pd)} scored, {set_aside} rejected")
        return cls(
            rows,
            len(scores.pd),
            set_aside,
            Counter((rejected["field"] + " " + rejected["reason"]).tolist()),
            Counter(dict(enumerate(np.bincount(scores.verdict).tolist()))),
            Counter(dict(enumerate(np.bincount(scores.grade).tolist()))),
            int(np.rint(scores.pd * _UNIT).astype(np.int64).sum()),
            explained,
        )

    def add(self, other: Summary) -> None:
        """Add another chunk's counts."""
        self.rows += other.rows
        self.scored += other.scored
        self.rejected += other.rejected
        self.reasons += other.reasons
        self.verdicts += other.verdicts
        self.grades += other.grades
        self.pd_sum += other.pd_sum
        self.explained += other.explained

    @property
    def mean_pd(self) -> float | None:
        """Mean PD of the scored loans; None if there are none."""
        return self.pd_sum / _UNIT / self.scored if self.scored else None

    def as_dict(self, policy: DecisionPolicy) -> dict[str, Any]:
        """Return plain data, with the names of grades and verdicts."""
        verdicts = {str(name): self.verdicts[code] for code, name in enumerate(VERDICTS)}
        return {
            "rows": self.rows,
            "scored": self.scored,
            "rejected": self.rejected,
            "reasons": dict(sorted(self.reasons.items(), key=lambda item: (-item[1], item[0]))),
            "decisions": verdicts,
            "approval_rate": verdicts["approve"] / self.scored if self.scored else None,
            "mean_pd": self.mean_pd,
            "grades": {name: self.grades[code] for code, name in enumerate(policy.scale.names)},
            "explained": self.explained,
        }
