"""Ten years of SBA loans under one model: what drifted, what held, what retraining would have won.

A model is trained on the loans of the fiscal years (October to September) up to one of them, and
scores those after it. Charge-offs come late, so its labels are complete only ``window`` months
after the last of these loans: on that day the model could have been made, and not before. Drift is
shown for all years nevertheless, since it needs no labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fed_credit.config.load import compose
from fed_credit.config.location import schema_dir
from fed_credit.config.monitor import monitor_spec
from fed_credit.config.spec import SimulationSpec, SplitKind
from fed_credit.data.book import Dataset, Part
from fed_credit.data.cache import cached_dataset
from fed_credit.data.split import assign_parts
from fed_credit.data.target import add_months
from fed_credit.drift.months import judge_month, reference_sums
from fed_credit.drift.sums import MonthSums
from fed_credit.drift.verdicts import MonthVerdict, State
from fed_credit.evaluation.intervals import Interval, auc_interval, difference_interval
from fed_credit.model_file.archive import Opened, open_model_file
from fed_credit.monitoring.job import profile_of
from fed_credit.retraining.challenger import deployed_pd
from fed_credit.scoring.scorer import Scorer
from fed_credit.simulate import MODEL_FILE, simulate

LAST_DAY = "2014-06-30"
"""Charge-offs of the file end then."""
_CONFIDENCE = 0.95
_FEW = 10


@dataclass(frozen=True)
class SbaSettings:
    """What is looked at.

    Parameters
    ----------
    path : Path
        The SBA file.
    train_until : int
        Last fiscal year of the first model's loans.
    first, last : int
        Fiscal years that are shown.
    window : int
        Months until a label is complete.
    model : str
        As in ``model=NAME``.
    overrides : sequence of str
        Further settings of the runs.
    """

    path: Path
    train_until: int
    first: int
    last: int
    window: int
    model: str
    overrides: Sequence[str]


@dataclass(frozen=True)
class FiscalYear:
    """One year under a model.

    Parameters
    ----------
    year : int
        Fiscal year.
    loans, bads : int
        Decided in it, and charged off within the window.
    held_out : bool
        Whether they are those of a training year that the model has not seen.
    drift : MonthVerdict
        Of score and features against the loans that the model was made on.
    mean_pd, default_rate : float
        What the model promised, and what came.
    auc : Interval
        NaN with fewer than ten bads.
    matured : int
        Loans with a label on the year's first day.
    in_time, hindsight : Interval or None
        Gain in AUC of a model made of the labels of that day, and of one made of the loans of all
        earlier years, whose labels came years later. None where there is no other model, or too
        few bads.
    """

    year: int
    loans: int
    bads: int
    held_out: bool
    drift: MonthVerdict
    mean_pd: float
    default_rate: float
    auc: Interval
    matured: int
    in_time: Interval | None
    hindsight: Interval | None


@dataclass(frozen=True)
class SbaHistory:
    """What was found.

    Parameters
    ----------
    settings : SbaSettings
        Of what.
    available : str
        Day from which the first model could have been made.
    banks : int
        That take part.
    years : tuple of FiscalYear
        In their order.
    """

    settings: SbaSettings
    available: str
    banks: int
    years: tuple[FiscalYear, ...]


def first_day(fiscal_year: int) -> np.datetime64:
    """Return 1 October of the year before."""
    return np.datetime64(f"{fiscal_year - 1}-10-01", "D")


def look_back(
    settings: SbaSettings, folder: Path, tell: Callable[[str], None] = lambda line: None
) -> SbaHistory:
    """Look back at the fiscal years under a model of the first ones.

    Parameters
    ----------
    settings : SbaSettings
        What is looked at.
    folder : Path
        For the runs.
    tell : callable
        Called with a line for each model.

    Returns
    -------
    SbaHistory

    Raises
    ------
    FedCreditError
        If the file cannot be used.
    """
    spec = _spec(settings)
    available = add_months(np.array([first_day(settings.train_until + 1) - 1]), settings.window)[0]
    # The banks that took part then are watched: loans of others are another population.
    names = _load(_as_of(spec, available)).names
    everyone = _load(replace(spec, data=replace(spec.data, min_loans=1)))
    of = np.repeat(np.isin(everyone.names, names), np.diff(everyone.offsets))
    first = _first_model(spec, settings, available, folder / "first", tell)
    others = _Others(spec, settings, folder, first, tell)
    years = [
        _year(year, everyone, of, spec, settings, first, others)
        for year in range(settings.first, settings.last + 1)
    ]
    return SbaHistory(
        settings, str(available), len(names), tuple(year for year in years if year.loans)
    )


def _spec(settings: SbaSettings) -> SimulationSpec:
    return compose(
        [
            "data=sba",
            f"data.path='{settings.path}'",
            f"data.target.window_months={settings.window}",
            f"data.target.as_of={LAST_DAY}",
            f"model={settings.model}",
            "evaluation.baselines=[]",
            "progress=false",
            "run_dir=sba",
            *settings.overrides,
        ]
    )


def _load(spec: SimulationSpec) -> Dataset:
    return cached_dataset(spec.data, num_institutions=None, schema_dir=schema_dir(), seed=spec.seed)


def _as_of(spec: SimulationSpec, day: np.datetime64) -> SimulationSpec:
    """Return a run on what was mature on a day; a bank needs few loans to take part."""
    target = replace(spec.data.target, as_of=str(day))
    return replace(spec, data=replace(spec.data, target=target, min_loans=20))


def _train(spec: SimulationSpec, folder: Path) -> Opened:
    simulate(replace(spec, run_dir=str(folder)), show=False)
    return open_model_file(folder / MODEL_FILE)


def _first_model(
    spec: SimulationSpec,
    settings: SbaSettings,
    available: np.datetime64,
    folder: Path,
    tell: Callable[[str], None],
) -> Opened:
    opened = _train(_as_of(spec, available), folder)
    tell(
        f"Model of the loans decided until 30 September {settings.train_until}; it could have been"
        f" made on {available}."
    )
    return opened


class _Others:
    """Models of other days, made once each."""

    def __init__(
        self,
        spec: SimulationSpec,
        settings: SbaSettings,
        folder: Path,
        first: Opened,
        tell: Callable[[str], None],
    ) -> None:
        self._spec, self._settings, self._folder = spec, settings, folder
        self._first, self._tell = first, tell

    def in_time(self, year: int, available: np.datetime64) -> Opened | None:
        """Return the model of the labels that were mature when the year began, if it is another."""
        day = first_day(year) - 1
        if day <= available:
            return None
        made = _train(_as_of(self._spec, day), self._folder / f"in-time-{year}")
        same = made.model.artefact.sha256 == self._first.model.artefact.sha256
        self._tell(f"Retrained on what was mature on {day}{': the same model' if same else ''}.")
        return made

    def hindsight(self, year: int) -> Opened | None:
        """Return the model of all earlier years' loans, whose labels came only later."""
        if year <= self._settings.train_until + 1:
            return None
        cut = str(first_day(year))
        split = replace(
            self._spec.data.split, kind=SplitKind.OUT_OF_TIME, test_from=cut, embargo=False
        )
        run = _as_of(self._spec, np.datetime64(LAST_DAY))
        made = _train(
            replace(run, data=replace(run.data, split=split)), self._folder / f"hindsight-{year}"
        )
        self._tell(f"In hindsight, of all loans decided before {cut}.")
        return made


def _year(
    year: int,
    dataset: Dataset,
    of: np.ndarray,
    spec: SimulationSpec,
    settings: SbaSettings,
    first: Opened,
    others: _Others,
) -> FiscalYear:
    begin, end = first_day(year), first_day(year + 1)
    rows = np.flatnonzero(of & (dataset.decided >= begin) & (dataset.decided < end))
    held_out = year <= settings.train_until
    if held_out:
        rows = rows[_unseen(dataset, rows, spec, settings)]
    frame, y = dataset.features.iloc[rows], dataset.y[rows]
    bads = int(y.sum())
    mature = of & (add_months(dataset.decided, settings.window) < begin)
    available = add_months(np.array([first_day(settings.train_until + 1) - 1]), settings.window)[0]
    scorer = Scorer(first.model)
    profile = profile_of(scorer)
    watch = monitor_spec({})
    model_pd = first.model.artefact.score(frame) if len(rows) else np.empty(0)
    pd_ = first.model.calibration.apply(model_pd)
    sums = MonthSums.of(profile.groups, frame, model_pd, pd_)
    drift = judge_month(
        f"FY{year}", sums, reference_sums(profile), profile.groups, watch.drift, watch.alarms
    )
    unknown = Interval(float("nan"), float("nan"), float("nan"))
    enough = min(bads, len(y) - bads) >= _FEW
    in_time = hindsight = None
    if enough and not held_out:
        for name, other in (
            ("in_time", others.in_time(year, available)),
            ("hindsight", others.hindsight(year)),
        ):
            if other is None:
                continue
            gain = difference_interval(y, deployed_pd(other, frame), pd_, _CONFIDENCE)
            if name == "in_time":
                in_time = gain
            else:
                hindsight = gain
    return FiscalYear(
        year,
        len(rows),
        bads,
        held_out,
        drift,
        float(pd_.mean()) if len(rows) else float("nan"),
        float(y.mean()) if len(rows) else float("nan"),
        auc_interval(y, pd_, _CONFIDENCE) if enough else unknown,
        int(mature.sum()),
        in_time,
        hindsight,
    )


def _unseen(
    dataset: Dataset, rows: np.ndarray, spec: SimulationSpec, settings: SbaSettings
) -> np.ndarray:
    """Say which loans of a training year were test loans of the first model's run."""
    day = add_months(np.array([first_day(settings.train_until + 1) - 1]), settings.window)[0]
    run = _as_of(spec, day)
    then = _load(run)
    parts = assign_parts(then, run.data.split, settings.window, run.seed)
    test = set(then.loan_id[parts == Part.TEST].tolist())
    return np.array([loan in test for loan in dataset.loan_id[rows].tolist()], dtype=bool)


def drifted(year: FiscalYear) -> list[tuple[str, float, State]]:
    """Return the features whose index is worth a watch, the largest first."""
    found = [
        (feature.name, feature.csi.value, feature.csi.state)
        for feature in year.drift.features
        if feature.csi.state in (State.WATCH, State.ALERT)
    ]
    return sorted(found, key=lambda item: -item[1])
