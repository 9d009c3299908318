"""A year in the life of a model: applications arrive, labels ripen, the monitor looks, the gate
decides; and what it was worth is found out afterwards, on labels that nobody had at the time.

Each month runs the code of the real commands: the champion of the registry scores the month's
applications, the monitor reports on all loans up to the day, ``retrain`` reads its report and what
has matured. Only the data are made, so that the truth about them is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from fed_credit.config.location import schema_dir
from fed_credit.config.monitor import MonitorSpec, monitor_spec
from fed_credit.config.retrain import RetrainSpec, retrain_spec
from fed_credit.config.spec import SimulationSpec
from fed_credit.data.load import resolve_schema
from fed_credit.data.synthetic import generate
from fed_credit.data.target import add_months
from fed_credit.evaluation.intervals import Interval
from fed_credit.files import write_json
from fed_credit.lifecycle.judging import Played, Won, won
from fed_credit.lifecycle.scenarios import LAUNCH, YearSettings, month_ends, year_spec
from fed_credit.model_file.archive import Opened, open_model_file
from fed_credit.monitoring.job import loans_of, monitor
from fed_credit.monitoring.report import MonitorReport, Watched, report_path
from fed_credit.registry.registry import Registry, Stage
from fed_credit.retraining.challenger import known_on
from fed_credit.retraining.retrain import Outcome, Request, retrain
from fed_credit.scoring.scorer import Scorer
from fed_credit.simulate import MODEL_FILE, simulate

_ACTOR = "lifecycle"
RETRAIN = {"promote": "champion"}
"""Settings of the retraining over the packaged ones: nobody is there to promote a challenger."""


@dataclass(frozen=True)
class Attempt:
    """A challenger, what the gate said of it, and what would have been right.

    Parameters
    ----------
    triggers : tuple of str
        What fired.
    passed : bool
        What the gate said.
    gain : Interval
        Of the AUC, on the vintage that the gate had.
    vintage_loans, vintage_bads : int
        Of that vintage.
    version : int
        Of the challenger.
    hindsight : Won or None
        What it gains over the champion of that day on the applications of the twelve months after,
        once their labels have come. None until that is found out.
    """

    triggers: tuple[str, ...]
    passed: bool
    gain: Interval
    vintage_loans: int
    vintage_bads: int
    version: int
    hindsight: Won | None = None


@dataclass(frozen=True)
class Month:
    """What one month brought.

    Parameters
    ----------
    day : str
        Its last day.
    version : int
        The model that scored.
    applications : int
        How many came.
    mean_pd, default_rate : float
        What the model promised of them, and what became of them, which nobody knew then.
    psi, psi_threshold : float
        Of the score, and from where on it would be a watch.
    watches, alerts : tuple of str
        What the monitor raised about this month or about a vintage that was new, as
        ``kind:subject``.
    matured : int
        Loans with a label on the day.
    attempt : Attempt or None
        A retraining, if there was one.
    """

    day: str
    version: int
    applications: int
    mean_pd: float
    default_rate: float
    psi: float
    psi_threshold: float
    watches: tuple[str, ...]
    alerts: tuple[str, ...]
    matured: int
    attempt: Attempt | None


@dataclass(frozen=True)
class Year:
    """A year that was played.

    Parameters
    ----------
    settings : YearSettings
        With what.
    months : tuple of Month
        What each brought.
    year, after, promoted : Won
        What retraining won on the applications of the year, of the months after it, and of all
        those that a retrained model scored.
    """

    settings: YearSettings
    months: tuple[Month, ...]
    year: Won
    after: Won
    promoted: Won


class _World:
    """The records, and what was known of them on a day."""

    def __init__(self, spec: SimulationSpec) -> None:
        frame = generate(spec.data.generator)
        schema = resolve_schema(spec.data.schema, schema_dir())
        self.decided = frame[str(schema.roles.decision_date)].to_numpy().astype("datetime64[D]")
        event = frame[str(schema.roles.event_date)].to_numpy().astype("datetime64[D]")
        window = spec.data.target.window_months
        assert window is not None
        self.y = (~np.isnat(event) & (event <= add_months(self.decided, window))).astype(np.int8)
        self.true_pd = frame[str(schema.roles.true_pd)].to_numpy(np.float64)
        self.frame = frame

    def between(self, first: np.datetime64, last: np.datetime64) -> np.ndarray:
        """Say which applications were decided after ``first`` and up to ``last``."""
        chosen: np.ndarray = (self.decided > first) & (self.decided <= last)
        return chosen

    def scored(self, model: Opened, chosen: np.ndarray) -> np.ndarray:
        """Return the calibrated PDs of some applications, as the service would."""
        scorer = Scorer(model.model)
        checked = scorer.validated(self.frame[chosen].reset_index(drop=True))
        return scorer.scores(checked.frame).pd


def play(
    settings: YearSettings,
    folder: Path,
    tell: Callable[[str], None] = lambda line: None,
    retraining: RetrainSpec | None = None,
    monitoring: MonitorSpec | None = None,
) -> Year:
    """Play a year.

    Parameters
    ----------
    settings : YearSettings
        With what.
    folder : Path
        Home of the registry, the monitor's reports and the runs.
    tell : callable
        Called with a line for each month.
    retraining, monitoring : RetrainSpec and MonitorSpec, optional
        The packaged settings, with promotion straight to champion, if not given.

    Returns
    -------
    Year

    Raises
    ------
    FedCreditError
        If a setting cannot be used.
    """
    spec = year_spec(settings)
    rules = retrain_spec(RETRAIN) if retraining is None else retraining
    watch = monitor_spec({"reference": "model"}) if monitoring is None else monitoring
    world = _World(spec)
    ends = month_ends(settings)
    last = add_months(np.array([ends[-1] + 1]), settings.after)[0] - 1
    with Registry.open(folder / "registry.db", create=True) as registry:
        first = _launch(registry, spec, rules, folder)
        live_pd = np.full(len(world.y), np.nan)
        months: list[Month] = []
        begin: np.datetime64 = LAUNCH
        for day in ends:
            month = _month(world, registry, spec, rules, watch, folder, begin, day, live_pd)
            months.append(month)
            tell(told(month))
            begin = day
        model = _champion(registry)
        rest = world.between(begin, last)
        live_pd[rest] = world.scored(model[1], rest)
        months = [_with_hindsight(world, registry, month, spec, last) for month in months]
    chosen = world.between(LAUNCH, last)
    first_pd = np.full(len(world.y), np.nan)
    first_pd[chosen] = world.scored(first, chosen)
    played = Played(world.decided, world.y, first_pd, live_pd, world.true_pd)
    starts = [np.datetime64(m.day) for m in months if m.attempt and m.attempt.passed]
    retrained = world.between(min(starts), last) if starts else np.zeros(len(world.y), bool)
    return Year(
        settings,
        tuple(months),
        won(played, world.between(LAUNCH, ends[-1]), spec.evaluation),
        won(played, world.between(ends[-1], last), spec.evaluation),
        won(played, retrained, spec.evaluation),
    )


def told(month: Month) -> str:
    """Return one line on a month."""
    raised = [f"{len(month.alerts)} alerts" * bool(month.alerts)]
    raised.append(f"{len(month.watches)} watches" * bool(month.watches))
    seen = ", ".join(text for text in raised if text) or "nothing raised"
    line = (
        f"{month.day[:7]}: {month.applications} applications scored by version {month.version},"
        f" mean PD {month.mean_pd:.3f}, PSI {month.psi:.3f}; {seen}"
    )
    if month.attempt is None:
        return f"{line}."
    attempt = month.attempt
    verdict = "promoted" if attempt.passed else "stays a candidate"
    return (
        f"{line}; retrained ({', '.join(attempt.triggers)}): version {attempt.version} {verdict},"
        f" AUC {attempt.gain.value:+.4f} [{attempt.gain.lo:+.4f}, {attempt.gain.hi:+.4f}]."
    )


def _launch(registry: Registry, spec: SimulationSpec, rules: RetrainSpec, folder: Path) -> Opened:
    """Train the first champion on what was known on the day."""
    run = replace(known_on(LAUNCH, rules, spec).spec, run_dir=str(folder / "runs" / "first"))
    simulate(run, show=False)
    opened = open_model_file(folder / "runs" / "first" / MODEL_FILE)
    registry.register(opened.body, actor=_ACTOR, reason="The first model.", stage=Stage.CHAMPION)
    return opened


def _champion(registry: Registry) -> tuple[int, Opened]:
    version = registry.champion()
    assert version is not None
    return version.number, registry.model(version.number)


def _month(
    world: _World,
    registry: Registry,
    spec: SimulationSpec,
    rules: RetrainSpec,
    watch: MonitorSpec,
    folder: Path,
    begin: np.datetime64,
    day: np.datetime64,
    live_pd: np.ndarray,
) -> Month:
    """Score, watch and retrain; the model that passes scores from the next month on."""
    number, model = _champion(registry)
    chosen = world.between(begin, day)
    live_pd[chosen] = world.scored(model, chosen)
    known = world.frame[world.decided <= day]
    report = _report(known, model, number, str(day), watch)
    write_json(report_path(folder), report.to_dict())
    outcome = retrain(folder, registry, rules, Request(day, spec, _ACTOR))
    newest = report.months[-1]
    fresh = _fresh(report, day)
    return Month(
        day=str(day),
        version=number,
        applications=int(chosen.sum()),
        mean_pd=float(live_pd[chosen].mean()),
        default_rate=float(world.y[chosen].mean()),
        psi=newest.score.value,
        psi_threshold=newest.score.threshold,
        watches=tuple(name for name, level in fresh if level == "watch"),
        alerts=tuple(name for name, level in fresh if level == "alert"),
        matured=len(outcome.known.dataset),
        attempt=_attempt(outcome),
    )


def _report(
    known: pd.DataFrame, model: Opened, version: int, day: str, watch: MonitorSpec
) -> MonitorReport:
    scorer = Scorer(model.model)
    loans = loans_of(scorer, known, institution="", as_of=day)
    return monitor(scorer, loans, day, watch, bank=None, model=Watched(version, model.sha256))


def _fresh(report: MonitorReport, day: np.datetime64) -> list[tuple[str, str]]:
    """Take what is new: about the month, or about a vintage that this month has completed."""
    news = {report.months[-1].period}
    # A quarter matures as a whole at the end of every third month.
    if report.vintages and int(day.astype("datetime64[M]").astype(np.int64)) % 3 == 2:
        news.add(report.vintages[-1].period)
    return [
        (f"{alert.kind}:{alert.subject}", str(alert.level))
        for alert in report.alerts
        if alert.period in news
    ]


def _attempt(outcome: Outcome) -> Attempt | None:
    if outcome.gate is None or outcome.version is None:
        return None
    gate = outcome.gate
    return Attempt(
        triggers=tuple(item.kind for item in outcome.due.fired),
        passed=gate.passed,
        gain=gate.overall.gain["auc"],
        vintage_loans=gate.overall.loans,
        vintage_bads=gate.overall.bads,
        version=outcome.version.number,
    )


def _with_hindsight(
    world: _World,
    registry: Registry,
    month: Month,
    spec: SimulationSpec,
    last: np.datetime64,
) -> Month:
    if month.attempt is None:
        return month
    day = np.datetime64(month.day)
    until = min(add_months(np.array([day]), 12)[0], last)
    chosen = world.between(day, until)
    before, after = (np.full(len(world.y), np.nan) for _ in range(2))
    before[chosen] = world.scored(registry.model(month.version), chosen)
    after[chosen] = world.scored(registry.model(month.attempt.version), chosen)
    played = Played(world.decided, world.y, before, after, world.true_pd)
    found = won(played, chosen, spec.evaluation)
    return replace(month, attempt=replace(month.attempt, hindsight=found))
