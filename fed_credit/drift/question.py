"""What a bank is asked for by a monitor over banks: sums of whole periods, laid out beforehand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fed_credit.data.target import parse_date
from fed_credit.decision.calibration import PdCalibration
from fed_credit.drift.groups import Groups
from fed_credit.drift.periods import month_number, months_of, quarter_number
from fed_credit.drift.reference import FRACTION_BOUND, ReferenceQuestion
from fed_credit.drift.sums import PD_BITS, MonthSums, VintageSums
from fed_credit.errors import MISREAD, ReleaseError
from fed_credit.evaluation.sums import FRACTION_BITS, ScoreSums, shapes
from fed_credit.features.spec import FeatureSpec
from fed_credit.releases import Entry, ReleaseSpec

Arrays = Mapping[str, np.ndarray]

_FEATURE = "feature/"


@dataclass(frozen=True)
class PeriodsQuestion:
    """Asks for the sums of some months and of some vintages.

    Parameters
    ----------
    groups : Groups
        What loans are counted by.
    calibration : PdCalibration
        From the model's PD to the one that decides.
    months, vintages : tuple of str
        ``YYYY-MM`` and ``YYYY-Qn``, each once.
    as_of : str
        Day of the report, ``YYYY-MM-DD``.
    """

    groups: Groups
    calibration: PdCalibration
    months: tuple[str, ...]
    vintages: tuple[str, ...]
    as_of: str

    def layout(self) -> ReleaseSpec:
        """Return the layout.

        Returns
        -------
        ReleaseSpec
            Per month ``left_out``, ``loans``, ``pd_sum``, ``score`` and ``feature/<name>``; per
            vintage ``left_out`` and what :class:`~fed_credit.evaluation.sums.ScoreSums` holds.
        """
        entries = []
        for month in self.months:
            entries += [
                Entry(f"{month}/left_out", ()),
                Entry(f"{month}/loans", ()),
                Entry(f"{month}/pd_sum", (), PD_BITS, FRACTION_BOUND),
                Entry(f"{month}/score", (self.groups.score.size,)),
            ]
            for one in self.groups.features:
                entries.append(Entry(f"{month}/{_FEATURE}{one.name}", (one.size,)))
        for vintage in self.vintages:
            entries.append(Entry(f"{vintage}/left_out", ()))
            for name, shape in shapes(self.groups.score.size).items():
                entries.append(
                    Entry(f"{vintage}/{name}", shape, FRACTION_BITS[name], FRACTION_BOUND)
                )
        return ReleaseSpec("periods", tuple(entries))

    def count(
        self,
        frame: pd.DataFrame,
        decided: np.ndarray,
        y: np.ndarray,
        model_pd: np.ndarray,
        *,
        min_loans: int = 1,
    ) -> PeriodSums:
        """Count one bank's loans.

        Parameters
        ----------
        frame : pandas.DataFrame
            ``(n, n_features)``: all loans, as in a loan book.
        decided : numpy.ndarray
            ``(n,) datetime64[D]``: day of decision.
        y : numpy.ndarray
            ``(n,) int8``: 1 bad, 0 good, -1 where not known.
        model_pd : numpy.ndarray
            ``(n,) float64``: the model's own PD.
        min_loans : int
            A period with fewer loans is left out as a whole.

        Returns
        -------
        PeriodSums
        """
        pd_ = self.calibration.apply(model_pd)
        month = months_of(decided)
        months, vintages = {}, {}
        for name in self.months:
            rows = np.flatnonzero(month == month_number(name))
            if len(rows) < max(min_loans, 1):
                months[name] = MonthSums.zero(self.groups, left_out=1)
            else:
                months[name] = MonthSums.of(
                    self.groups, frame.iloc[rows], model_pd[rows], pd_[rows]
                )
        for name in self.vintages:
            rows = np.flatnonzero((month // 3 == quarter_number(name)) & (y >= 0))
            if len(rows) < max(min_loans, 1):
                vintages[name] = VintageSums(ScoreSums.zero(self.groups.score.size), left_out=1)
            else:
                vintages[name] = VintageSums.of(
                    self.groups.score, y[rows], model_pd[rows], pd_[rows]
                )
        return PeriodSums(months, vintages)

    def read(self, sums: Arrays) -> PeriodSums:
        """Read the decoded sum of the banks' answers."""
        months = {
            name: MonthSums(
                int(sums[f"{name}/loans"]),
                float(sums[f"{name}/pd_sum"]),
                sums[f"{name}/score"],
                {one.name: sums[f"{name}/{_FEATURE}{one.name}"] for one in self.groups.features},
                int(sums[f"{name}/left_out"]),
            )
            for name in self.months
        }
        vintages = {
            name: VintageSums(
                ScoreSums.from_arrays({key: sums[f"{name}/{key}"] for key in FRACTION_BITS}),
                int(sums[f"{name}/left_out"]),
            )
            for name in self.vintages
        }
        return PeriodSums(months, vintages)

    @property
    def day(self) -> np.datetime64:
        """Day of the report."""
        return parse_date("as_of", self.as_of)


@dataclass(frozen=True, eq=False)
class PeriodSums:
    """Sums by period.

    Parameters
    ----------
    months, vintages : mapping of str to MonthSums and to VintageSums
        In the order asked.
    """

    months: Mapping[str, MonthSums]
    vintages: Mapping[str, VintageSums]

    def __add__(self, other: PeriodSums) -> PeriodSums:
        return PeriodSums(
            {name: sums + other.months[name] for name, sums in self.months.items()},
            {name: sums + other.vintages[name] for name, sums in self.vintages.items()},
        )

    @property
    def empty(self) -> bool:
        """Whether no period holds a loan."""
        return not any(sums.loans for sums in self.months.values()) and not any(
            sums.scores.n for sums in self.vintages.values()
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the sums as named arrays in the layout of the question."""
        found: dict[str, np.ndarray] = {}
        for name, month in self.months.items():
            found[f"{name}/left_out"] = np.array(month.left_out)
            found[f"{name}/loans"] = np.array(month.loans)
            found[f"{name}/pd_sum"] = np.array(month.pd_sum)
            found[f"{name}/score"] = month.score
            for feature, counts in month.features.items():
                found[f"{name}/{_FEATURE}{feature}"] = counts
        for name, vintage in self.vintages.items():
            found[f"{name}/left_out"] = np.array(vintage.left_out)
            for key, array in vintage.scores.arrays().items():
                found[f"{name}/{key}"] = array
        return found


MonitorQuestion = ReferenceQuestion | PeriodsQuestion

_REFERENCE, _PERIODS = "reference", "periods"


def write_question(question: MonitorQuestion) -> str:
    """Return a question as JSON, which :func:`read_question` reads.

    The features of a reference are among those of the run, and go by their names.
    """
    if isinstance(question, ReferenceQuestion):
        names = [feature.name for feature in question.features]
        return json.dumps({"kind": _REFERENCE, "bins": question.bins, "features": names})
    body = {
        "kind": _PERIODS,
        "groups": question.groups.as_dict(),
        "calibration": question.calibration.as_dict(),
        "months": list(question.months),
        "vintages": list(question.vintages),
        "as_of": question.as_of,
    }
    return json.dumps(body, ensure_ascii=False)


def read_question(text: str, features: tuple[FeatureSpec, ...]) -> MonitorQuestion:
    """Read what :func:`write_question` wrote.

    Parameters
    ----------
    text : str
        As it came.
    features : tuple of FeatureSpec
        Of the run.

    Raises
    ------
    ReleaseError
        If it is no such question; safe to send.
    """
    try:
        raw: Any = json.loads(text)
        if raw["kind"] == _REFERENCE:
            own = {feature.name: feature for feature in features}
            named = tuple(own[str(name)] for name in raw["features"])
            return ReferenceQuestion(named, int(raw["bins"]))
        if raw["kind"] == _PERIODS:
            return PeriodsQuestion(
                Groups.from_dict(raw["groups"]),
                PdCalibration.from_dict(raw["calibration"]),
                tuple(str(name) for name in raw["months"]),
                tuple(str(name) for name in raw["vintages"]),
                str(raw["as_of"]),
            )
    except MISREAD as error:
        reason = str(error).rstrip(".")
        raise ReleaseError(f"A monitor's question cannot be read ({reason}); refused.") from None
    raise ReleaseError("A monitor's question is of no known kind; refused.")
