"""One federated job over whatever grid carries the messages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from fed_credit.config.names import EXACT_FAMILIES
from fed_credit.config.spec import FederationSpec, StrategySpec
from fed_credit.data.book import Part
from fed_credit.drift.reference import Reference
from fed_credit.errors import QuorumError
from fed_credit.evaluation.sums import ScoreSums
from fed_credit.families.protocol import Model
from fed_credit.families.read import model_of
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.state import ExactState, RunState, TrainingState
from strategies.build import build_strategy
from strategies.consortium import Consortium, Terms
from strategies.exact import GridBanks, run_exact
from strategies.exchange import Attendance, Roster, identify
from strategies.monitoring import ask_reference

CHECKPOINT = "checkpoint.safetensors"

log = logging.getLogger("fed_credit.consortium")


@dataclass(frozen=True)
class FederatedJob:
    """One training run of the federation.

    Parameters
    ----------
    spec : RunSpec
        What travels to the banks.
    strategy : StrategySpec
        How updates are aggregated.
    federation : FederationSpec
        Rounds, quorum and time-out.
    institutions : int
        How many banks take part.
    names : mapping of int to str or None
        Registered bank names by node id; ``None`` asks the nodes (simulation only).
    state : TrainingState, ExactState or None
        Where to go on; ``None`` starts afresh.
    after_round : callable
        Called with the state before the first round, after each and at the end.
    after_exchange : callable
        Called with who answered in each exchange.
    own_metrics : bool
        Whether banks are asked for their own test metrics, which they give if their policy says so.
    reference : bool
        Whether banks are asked, at the end, for the population that the model was made on. Without
        enough answers the run is complete all the same.
    span : tuple of str or None
        First and last day of decision of that population, where the run's settings say so.
    """

    spec: RunSpec
    strategy: StrategySpec
    federation: FederationSpec
    institutions: int
    names: Mapping[int, str] | None
    state: RunState | None
    after_round: Callable[[RunState], None]
    after_exchange: Callable[[Attendance], None] = lambda attendance: None
    own_metrics: bool = False
    reference: bool = False
    span: tuple[str, str] | None = None


@dataclass(frozen=True)
class FederatedOutcome:
    """What a federated job ends with.

    Parameters
    ----------
    state : TrainingState or ExactState
        With the best model.
    model : Model
        That model.
    test : ScoreSums
        The best model's scores of all test loans, as sums over banks.
    reference : Reference or None
        The population that the model was made on; None if nobody asked, or too few banks answered.
    """

    state: RunState
    model: Model
    test: ScoreSums
    reference: Reference | None = None


def run_job(grid: Grid, job: FederatedJob) -> FederatedOutcome:
    """Run a federated job over a grid.

    Raises
    ------
    QuorumError
        If too few banks answered.
    """
    federation = job.federation
    timeout = federation.round_timeout_s
    roster = identify(grid, job.institutions, timeout) if job.names is None else Roster(job.names)
    roster = replace(roster, after_exchange=job.after_exchange)
    terms = Terms(federation.num_rounds, federation.quorum, timeout)
    run = _exact if job.spec.model.family in EXACT_FAMILIES else _averaged
    state, test = run(grid, roster, job, terms)
    model = model_of(job.spec, state)
    reference = _reference(grid, roster, job, terms, model) if job.reference else None
    return FederatedOutcome(state, model, test, reference)


def _reference(
    grid: Grid, roster: Roster, job: FederatedJob, terms: Terms, model: Model
) -> Reference | None:
    try:
        return ask_reference(grid, roster, job.spec, model, job.span, terms)
    except QuorumError as error:
        log.warning("The model has no reference population. %s", error)
        return None


def _averaged(
    grid: Grid, roster: Roster, job: FederatedJob, terms: Terms
) -> tuple[RunState, ScoreSums]:
    """Train weights round by round."""
    consortium = Consortium(grid, roster, job.spec, terms)
    state = consortium.prepare() if job.state is None else job.state
    assert isinstance(state, TrainingState)
    strategy = build_strategy(job.strategy, job.federation, roster, consortium.task(state))
    consortium.train(state, strategy, job.after_round)
    test = consortium.evaluate(state, state.best_weights, Part.TEST, own_metrics=job.own_metrics)
    return state, test


def _exact(
    grid: Grid, roster: Roster, job: FederatedJob, terms: Terms
) -> tuple[RunState, ScoreSums]:
    """Fit a model from sums."""
    banks = GridBanks(grid, roster, job.spec, terms)
    state = ExactState() if job.state is None else job.state
    assert isinstance(state, ExactState)
    run_exact(banks, job.spec, state, job.after_round)
    assert state.model is not None
    return state, banks.scores(state.model, Part.TEST, own_metrics=job.own_metrics)


def make_server_app(job: FederatedJob, deliver: Callable[[FederatedOutcome], None]) -> ServerApp:
    """Make the app that runs a job and delivers its outcome.

    Parameters
    ----------
    job : FederatedJob
        What to run.
    deliver : callable
        Takes the outcome.

    Returns
    -------
    ServerApp
    """
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        deliver(run_job(grid, job))

    return app
