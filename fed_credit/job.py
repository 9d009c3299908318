"""One federated job over whatever grid carries the messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from fed_credit.config.spec import FederationSpec, StrategySpec
from fed_credit.data.book import Part
from fed_credit.evaluation.sums import ScoreSums
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.state import TrainingState
from strategies.build import build_strategy
from strategies.consortium import Consortium, Terms
from strategies.exchange import Attendance, Roster, identify

CHECKPOINT = "checkpoint.safetensors"


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
    state : TrainingState or None
        Where to go on; ``None`` starts afresh.
    after_round : callable
        Called with the state before the first round, after each and at the end.
    after_exchange : callable
        Called with who answered in each exchange.
    own_metrics : bool
        Whether banks are asked for their own test metrics, which they give if their policy says so.
    """

    spec: RunSpec
    strategy: StrategySpec
    federation: FederationSpec
    institutions: int
    names: Mapping[int, str] | None
    state: TrainingState | None
    after_round: Callable[[TrainingState], None]
    after_exchange: Callable[[Attendance], None] = lambda attendance: None
    own_metrics: bool = False


@dataclass(frozen=True)
class FederatedOutcome:
    """What a federated job ends with.

    Parameters
    ----------
    state : TrainingState
        With the best model.
    test : ScoreSums
        The best model's scores of all test loans, as sums over banks.
    """

    state: TrainingState
    test: ScoreSums


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
    consortium = Consortium(grid, roster, job.spec, terms)
    state = consortium.prepare() if job.state is None else job.state
    strategy = build_strategy(job.strategy, federation, roster, consortium.task(state))
    consortium.train(state, strategy, job.after_round)
    test = consortium.evaluate(state, state.best_weights, Part.TEST, own_metrics=job.own_metrics)
    return FederatedOutcome(state, test)


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
