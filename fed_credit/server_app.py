"""The consortium's Flower app: one federated job over whatever grid carries the messages."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from fed_credit.artefact import Artefact, save_artefact
from fed_credit.config.load import compose
from fed_credit.config.location import schema_dir
from fed_credit.config.spec import FederationSpec, StrategySpec
from fed_credit.data.book import Part
from fed_credit.data.load import resolve_schema
from fed_credit.errors import ConfigurationError
from fed_credit.evaluation.sums import ScoreSums, measure_sums
from fed_credit.features.spec import feature_specs
from fed_credit.files import write_json
from fed_credit.training.checkpoint import load_checkpoint, save_checkpoint
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.state import TrainingState
from strategies.build import build_strategy
from strategies.consortium import Consortium, Terms
from strategies.exchange import Roster, identify

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
    """

    spec: RunSpec
    strategy: StrategySpec
    federation: FederationSpec
    institutions: int
    names: Mapping[int, str] | None
    state: TrainingState | None
    after_round: Callable[[TrainingState], None]


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
    terms = Terms(federation.num_rounds, federation.quorum, timeout)
    consortium = Consortium(grid, roster, job.spec, terms)
    state = consortium.prepare() if job.state is None else job.state
    strategy = build_strategy(job.strategy, federation, roster, consortium.task(state))
    consortium.train(state, strategy, job.after_round)
    return FederatedOutcome(state, consortium.evaluate(state, state.best_weights, Part.TEST))


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


app = ServerApp()


@app.main()
def _main(grid: Grid, context: Context) -> None:
    """Run what ``flwr run --run-config 'overrides="..."'`` asks for; banks hold the data."""
    spec = compose(shlex.split(str(context.run_config.get("overrides", ""))))
    if spec.federation.num_institutions is None:
        raise ConfigurationError(
            "Without a data set at hand the number of banks must be said: set"
            " federation.num_institutions=K in the run's overrides."
        )
    schema = resolve_schema(spec.data.schema, schema_dir())
    fields = schema.features(
        spec.data.decision_point,
        allow_late=spec.data.allow_late_fields,
        exclude=spec.data.exclude_fields,
        only=spec.data.features,
    )
    run_spec = RunSpec.of(spec, feature_specs(fields, schema), spec.seed)
    folder = Path(spec.run_dir)
    job = FederatedJob(
        spec=run_spec,
        strategy=spec.strategy,
        federation=spec.federation,
        institutions=spec.federation.num_institutions,
        names=None,
        state=load_checkpoint(folder / CHECKPOINT, run_spec),
        after_round=lambda state: save_checkpoint(folder / CHECKPOINT, state, run_spec),
    )
    outcome = run_job(grid, job)
    state = outcome.state
    save_artefact(
        folder / "model",
        Artefact(
            model=spec.model,
            weights=state.best_weights,
            preprocessor=state.preprocessor,
            log_odds_offset=state.log_odds_offset,
            about={
                "decision_point": str(spec.data.decision_point),
                "schema": spec.data.schema,
                "seed": spec.seed,
                "best_round": state.best_round,
            },
        ),
    )
    test = measure_sums(outcome.test, calibration_bins=spec.evaluation.calibration_bins)
    write_json(folder / "results.json", {"from_sums": asdict(test), "loans": outcome.test.n})
