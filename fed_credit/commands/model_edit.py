"""``fed-credit model edit`` and ``recalibrate``: a bank's own policy, and its own PDs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fed_credit.commands.options import add_debug
from fed_credit.commands.parser import Parser
from fed_credit.errors import ConfigurationError

if TYPE_CHECKING:
    from fed_credit.model_file.archive import Opened
    from fed_credit.model_file.contents import ModelFile


def run_edit(arguments: Sequence[str]) -> int:
    """Run ``fed-credit model edit``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``edit`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If the file or a setting cannot be used.
    """
    parser = Parser(
        prog="fed-credit model edit",
        description="Set your own decision policy in a new file. What scores stays as it is; the"
        " new file says which one it was made of, and is not signed.",
        allow_abbrev=False,
    )
    _files(parser)
    parser.add_argument("--approve-below", type=float, metavar="PD", help="approve PDs below this")
    parser.add_argument(
        "--decline-from",
        type=float,
        metavar="PD",
        help="decline PDs from this on; an underwriter decides in between",
    )
    parser.add_argument(
        "--reasons", type=int, metavar="N", help="reasons for a declined application at most"
    )
    parser.add_argument(
        "--long-run-default-rate",
        type=float,
        metavar="RATE",
        help="move the PDs so that the validation loans' mean is this",
    )
    parser.add_argument(
        "--policy", type=Path, metavar="FILE", help="YAML with keys of policy.json to replace"
    )
    parser.add_argument("--owner", metavar="NAME", help="who answers for the model")
    given = parser.parse_args(list(arguments))

    from fed_credit.model_file.archive import open_model_file, write_model_file
    from fed_credit.model_file.change import Edit, edit

    policy: Mapping[str, Any] | None = None
    if given.policy is not None:
        from fed_credit.config.yaml_file import read_mapping

        policy = read_mapping(given.policy)
    _check_out(given.model, given.out)
    source = open_model_file(given.model)
    made = edit(
        source,
        Edit(
            policy=policy,
            approve_below=given.approve_below,
            decline_from=given.decline_from,
            reasons=given.reasons,
            long_run_default_rate=given.long_run_default_rate,
            owner=given.owner,
        ),
    )
    _tell(source, made, write_model_file(given.out, made), given.out)
    return 0


def run_recalibrate(arguments: Sequence[str]) -> int:
    """Run ``fed-credit model recalibrate``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``recalibrate`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If the file or the loans cannot be used, or the loans are too few.
    """
    parser = Parser(
        prog="fed-credit model recalibrate",
        description="Fit the PDs to your own labelled loans, a CSV or Parquet table by the model's"
        " schema, in a new file. Older loans are calibrated on, newer ones judge.",
        allow_abbrev=False,
    )
    _files(parser)
    parser.add_argument("loans", type=Path, metavar="LOANS", help="CSV or Parquet, with outcomes")
    parser.add_argument(
        "--method",
        choices=("platt", "shift"),
        default="platt",
        help="shift moves log-odds; platt also stretches them, and needs more loans",
    )
    parser.add_argument(
        "--as-of",
        metavar="DAY",
        help="up to when the loans were observed, YYYY-MM-DD (default: the latest day in them)",
    )
    parser.add_argument(
        "--split",
        choices=("out_of_time", "random"),
        help="how loans to judge by are set apart (default: by time where they have days)",
    )
    parser.add_argument(
        "--test-share", type=float, default=0.3, metavar="SHARE", help="of them (default: 0.3)"
    )
    parser.add_argument(
        "--long-run-default-rate", type=float, metavar="RATE", help="mean PD after calibration"
    )
    parser.add_argument(
        "--cut-off", action="store_true", help="take the cut-off of highest profit on these loans"
    )
    parser.add_argument("--seed", type=int, default=7, help="of a split at random (default: 7)")
    given = parser.parse_args(list(arguments))
    for name, value in (
        ("--test-share", given.test_share),
        ("--long-run-default-rate", given.long_run_default_rate),
    ):
        if value is not None and not 0.0 < value < 1.0:
            raise ConfigurationError(f"{name} {value} must be above 0 and below 1.")

    from fed_credit.config.decision import CalibrationMethod
    from fed_credit.config.spec import SplitKind
    from fed_credit.data.target import parse_past_date
    from fed_credit.model_file.archive import open_model_file, write_model_file
    from fed_credit.model_file.change import least_bads, recalibrate
    from fed_credit.model_file.own_loans import read_own_loans

    _check_out(given.model, given.out)
    if given.as_of is not None:
        parse_past_date("--as-of", given.as_of)
    source = open_model_file(given.model)
    own = read_own_loans(
        source.model,
        given.loans,
        as_of=given.as_of,
        split=None if given.split is None else SplitKind(given.split),
        test_share=given.test_share,
        seed=given.seed,
    )
    method = CalibrationMethod(given.method)
    made = recalibrate(
        source,
        own,
        method=method,
        min_bads=least_bads(source.model, method),
        long_run_default_rate=given.long_run_default_rate,
        cut_off=given.cut_off,
    )
    report, chosen, judges = own.report, own.judged.validation.cells, own.judged.test.cells
    print(
        f"Of {report.rows:,} rows {report.used:,} have an outcome ({report.rejected:,} rejected,"
        f" {report.unlabelled:,} without outcome, {report.immature:,} not observed for the whole"
        f" window). Calibrated on {chosen.n:,} loans ({chosen.bad:,} bad), judged on {judges.n:,}"
        f" ({judges.bad:,} bad), {own.set_aside:,} in neither."
    )
    for warning in own.warnings:
        print(f"Warning: {warning}")
    _tell(source, made, write_model_file(given.out, made), given.out)
    return 0


def _files(parser: Parser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="the file")
    parser.add_argument("--out", type=Path, required=True, metavar="OTHER", help="the new file")
    add_debug(parser)


def _check_out(model: Path, out: Path) -> None:
    """Refuse to write over a file: a model in use must not become another one under its name."""
    if out.exists():
        same = " is the model itself" if model.exists() and out.samefile(model) else " is there"
        raise ConfigurationError(f"--out {out}{same}; name a new file.")


def _tell(source: Opened, made: ModelFile, written: Opened, out: Path) -> None:
    before, after = source.model, made
    for name, old, new in (
        ("approve below", before.policy.approve_below, after.policy.approve_below),
        ("decline from", before.policy.decline_from, after.policy.decline_from),
        ("calibration shift", before.calibration.shift, after.calibration.shift),
        ("calibration slope", before.calibration.slope, after.calibration.slope),
        ("approval rate of the test loans", _approved(before), _approved(after)),
        ("their mean PD", _mean(before), _mean(after)),
    ):
        if old != new:
            print(f"{name}: {_said(old)} -> {_said(new)}")
    print(f"{out}: {written.sha256}, made of {source.sha256}; not signed.")


def _approved(model: ModelFile) -> float | None:
    part = model.evaluation.get("test")
    return None if part is None else float(part["decision"]["approval_rate"])


def _mean(model: ModelFile) -> float | None:
    part = model.evaluation.get("test")
    return None if part is None else float(part["pd"]["mean"])


def _said(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
