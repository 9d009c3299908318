"""``fed-credit retrain``: a challenger on matured labels, and whether it stands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fed_credit.commands.actor import add_actor
from fed_credit.commands.options import add_debug, add_home
from fed_credit.commands.parser import Parser
from fed_credit.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse

    import numpy as np

    from fed_credit.config.retrain import RetrainSpec
    from fed_credit.config.spec import SimulationSpec
    from fed_credit.retraining.gate import GateResult


def run_command(arguments: Sequence[str]) -> int:
    """Run ``fed-credit retrain``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``retrain`` on the command line.

    Returns
    -------
    int
        0, whether a challenger passed, failed, or none was due.

    Raises
    ------
    FedCreditError
        If the user can mend what went wrong.
    """
    given = _parser().parse_intermixed_args(list(arguments))
    from fed_credit.config.retrain import load_retrain
    from fed_credit.config.serve import load_serve

    where = load_serve(given.home).registry
    spec = load_retrain(given.home)
    as_of = _day(given.as_of)
    if given.challenger is not None:
        return _stand(given, where, spec, as_of)
    if given.loans is not None:
        raise ConfigurationError("--loans belongs to --challenger; name a run's with data.path=.")
    overrides = [*spec.overrides, *given.overrides]
    simulation = _simulation(overrides)

    from fed_credit.registry.registry import Registry
    from fed_credit.retraining.retrain import Request, retrain

    request = Request(as_of, simulation, given.actor, given.force, given.dry_run)
    with Registry.open(where) as registry:
        if given.deploy is not None:
            from fed_credit.retraining.over_banks import retrain_over_banks

            retrain_over_banks(given.deploy, registry, spec, request, overrides, _say)
            return 0
        outcome = retrain(given.home, registry, spec, request, _say)
    if outcome.gate is not None:
        _table(outcome.gate)
    return 0


def _stand(given: argparse.Namespace, where: str, spec: RetrainSpec, as_of: np.datetime64) -> int:
    """Let a model that was trained elsewhere stand on the home's own loans."""
    if given.overrides or given.deploy is not None or given.force:
        raise ConfigurationError(
            "With --challenger nothing is trained: leave out KEY=VALUE, --deploy and --force."
        )
    from fed_credit.model_file.archive import open_model_file
    from fed_credit.registry.registry import Registry
    from fed_credit.retraining.handed import stand_at_home

    challenger = open_model_file(given.challenger)
    with Registry.open(where) as registry:
        stood = stand_at_home(
            given.home,
            registry,
            spec,
            challenger,
            as_of=as_of,
            loans=given.loans,
            actor=given.actor,
            dry_run=given.dry_run,
            tell=_say,
        )
    _table(stood.gate)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="fed-credit retrain",
        usage="fed-credit retrain [--home HOME] [--as-of DATE] [KEY=VALUE ...] [--force]"
        " [--dry-run] [--deploy OPERATOR_HOME]\n"
        "       fed-credit retrain --challenger FILE [--home HOME] [--loans TABLE] [--as-of DATE]"
        " [--dry-run]",
        description="Train a challenger if it is due by schedule, drift or new labels: on labels"
        " that are mature as of the day, without the newest matured vintage. On that vintage it"
        " has to beat the champion, and must not hurt any bank beyond a limit; else it stays a"
        " candidate. HOME/retrain.yaml says when, how and by how much. What follows from it is in"
        " the registry, with its figures. With --challenger nothing is trained: a model that was"
        " trained elsewhere, such as over the banks, stands on the home's own loans.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="of the run, as for fed-credit simulate"
    )
    add_home(parser)
    parser.add_argument(
        "--as-of", metavar="DATE", help="the day, YYYY-MM-DD; nothing later counts (default: today)"
    )
    parser.add_argument("--force", action="store_true", help="train although nothing is due")
    parser.add_argument(
        "--dry-run", action="store_true", help="say whether it is due, and train nothing"
    )
    parser.add_argument(
        "--deploy",
        type=Path,
        metavar="OPERATOR_HOME",
        help="train over the banks of a deployment instead of loans at hand",
    )
    parser.add_argument(
        "--challenger", type=Path, metavar="FILE", help="a model that was trained elsewhere"
    )
    parser.add_argument(
        "--loans",
        type=Path,
        metavar="TABLE",
        help="CSV or Parquet for --challenger, in place of the source in monitor.yaml or bank.yaml",
    )
    add_actor(parser, reason=False)
    add_debug(parser)
    return parser


def _day(text: str | None) -> np.datetime64:
    import numpy as np

    from fed_credit.data.target import parse_past_date

    return np.datetime64("today", "D") if text is None else parse_past_date("--as-of", text)


def _simulation(overrides: Sequence[str]) -> SimulationSpec:
    from dataclasses import replace

    from fed_credit.config.load import compose

    for text in overrides:
        if text.startswith(("run_dir=", "resume=")):
            raise ConfigurationError(
                f"{text} cannot be used here: a retraining makes a folder of its own in HOME/runs."
            )
    spec = compose([*overrides, "run_dir=retrain"])
    return spec if spec.progress is not None else replace(spec, progress=False)


def _say(line: str) -> None:
    print(line, flush=True)


def _table(gate: GateResult) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    key = gate.measure
    table = Table(title=f"The newest matured vintage by bank ({key})", title_justify="left")
    for name in ("bank", "loans", "bads", "champion", "challenger", "gain", "interval", "state"):
        table.add_column(name, justify="left" if name in ("bank", "state") else "right")
    rows = [*((bank.name, bank.gain, bank.state) for bank in gate.banks)]
    for name, gain, state in (*rows, ("all", gate.overall, "")):
        known = gain.gain[key]
        figures = ["–"] * 4
        if known.value == known.value:
            figures = [
                f"{gain.champion[key]:.4f}",
                f"{gain.challenger[key]:.4f}",
                f"{known.value:+.4f}",
                f"{known.lo:+.4f} to {known.hi:+.4f}",
            ]
        table.add_row(escape(name), f"{gain.loans:,}", f"{gain.bads:,}", *figures, state)
    Console().print(table)
