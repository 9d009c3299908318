"""``fed-credit score``: PD, score, grade, decision and reasons for a table of applications."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fed_credit.commands.options import add_debug, spare
from fed_credit.commands.parser import Parser
from fed_credit.errors import ConfigurationError

if TYPE_CHECKING:
    from fed_credit.model_file.archive import Opened
    from fed_credit.scoring.batch import Places
    from fed_credit.scoring.summary import Summary

_EXAMPLES = """\
examples:
  fed-credit score loans.parquet --model model.fcm --out scored.parquet
  fed-credit score loans.csv --home BANK --out scored.csv --language both --keep branch
  fed-credit score --config applications.yaml --home BANK --out scored.parquet

Beside OUT lie OUT.rejected.csv, the rows that could not be scored with the reason for each, and
OUT.summary.json, the counts. docs/scoring.md describes the columns.

exit code: 0 all is written (also with rejected rows), 2 if the command cannot be carried out
"""
_EXPLAIN = ("declined", "all", "none")
_LANGUAGES = {"en": ("en",), "zh": ("zh",), "both": ("en", "zh")}
_CHUNK_ROWS = 65_536


def run_command(arguments: Sequence[str]) -> int:
    """Run ``fed-credit score``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``score`` on the command line.

    Returns
    -------
    int
        Exit code: 0.

    Raises
    ------
    FedCreditError
        If the user can mend what went wrong.
    """
    given = _parser().parse_args(list(arguments))
    if (given.model is None) == (given.home is None):
        raise ConfigurationError(
            "Name what scores: a model's file with --model, or a home with --home."
        )
    if given.version is not None and given.home is None:
        raise ConfigurationError("--version names a registered model and needs --home.")

    from fed_credit.config.score import load_table
    from fed_credit.scoring.batch import Places, score_file
    from fed_credit.scoring.options import BatchOptions
    from fed_credit.scoring.scorer import Explain, Scorer
    from fed_credit.scoring.source import LoanSource

    place, mapping = load_table(given.config, given.loans)
    places = Places.beside(given.out, given.rejected)
    _distinct(places, given.loans, given.model)
    opened, version = _model(given)
    scorer = Scorer(opened.model)
    keep = {"none": [], "all": None}.get(given.keep, given.keep.split(","))
    source = LoanSource(place, mapping, scorer, keep)
    options = BatchOptions(
        Explain(given.reasons),
        _LANGUAGES[given.language],
        scorer.model.policy.reasons if given.top is None else given.top,
        given.chunk_rows,
        _processors() if given.jobs is None else given.jobs,
    )
    about = {
        "sha256": opened.sha256,
        "family": opened.model.artefact.spec.family,
        "version": version,
    }
    with _progress(source.num_rows) as progress:
        summary = score_file(scorer, source, places, options, about, progress)
    body = {**summary.as_dict(scorer.model.policy), "model": about}
    if given.json:
        print(json.dumps(body, indent=2, ensure_ascii=False))
    else:
        _tell(body, places, summary)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="fed-credit score",
        description="Score a table of applications of any size. Rows that do not hold to the"
        " model's schema are set aside with the reason; all others come out in their order.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("loans", nargs="?", metavar="LOANS", help="CSV or Parquet file")
    parser.add_argument("--model", type=Path, metavar="FILE", help="a model's file (.fcm)")
    parser.add_argument(
        "--home", type=Path, metavar="HOME", help="take the champion of this home's registry"
    )
    parser.add_argument("--version", type=int, metavar="N", help="that version instead")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="OUT", help="where to: .parquet or .csv"
    )
    parser.add_argument(
        "--rejected", type=Path, metavar="FILE", help="where rejected rows go (beside OUT)"
    )
    parser.add_argument(
        "--reasons", choices=_EXPLAIN, default="declined", help="which loans get reasons"
    )
    parser.add_argument(
        "--language", choices=tuple(_LANGUAGES), default="en", help="of the reasons"
    )
    parser.add_argument(
        "--top", type=int, metavar="N", help="reasons per loan at most (as the policy says)"
    )
    parser.add_argument(
        "--keep",
        default="none",
        metavar="COL,COL|all|none",
        help="columns of LOANS to pass on besides the loan's identifier",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the table's own names and spellings (YAML)"
    )
    parser.add_argument(
        "--chunk-rows",
        type=int,
        default=_CHUNK_ROWS,
        metavar="N",
        help=f"rows handled at a time ({_CHUNK_ROWS})",
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="chunks handled at once (one per processor)"
    )
    parser.add_argument("--json", action="store_true", help="print the counts for programs")
    add_debug(parser)
    return parser


def _distinct(places: Places, loans: str | None, model: Path | None) -> None:
    """Refuse to write over the loans or the model, or two things into one file."""
    named = [places.loans, places.rejected, places.summary]
    whole = [path.absolute() for path in named]
    if len(set(whole)) < len(whole):
        raise ConfigurationError("--out and --rejected name one file; name two.")
    for path in named:
        if loans is not None:
            spare("", path, Path(loans), "the table to be scored")
        if model is not None:
            spare("", path, model, "the model")
        if path.is_dir():
            raise ConfigurationError(f"{path} is a folder; name a file in it.")


def _model(given: argparse.Namespace) -> tuple[Opened, int | None]:
    if given.model is not None:
        from fed_credit.model_file.archive import open_model_file

        return open_model_file(given.model), None
    from fed_credit.commands.registry import open_registry

    with open_registry(given.home, None) as registry:
        number: int | None = given.version
        if number is None:
            champion = registry.champion()
            if champion is None:
                raise ConfigurationError(
                    f"The registry of {given.home} has no champion; promote a version with"
                    " fed-credit registry, or name one with --version."
                )
            number = champion.number
        return registry.model(number), number


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _progress(rows: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar where standard error is a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.completed:,.0f} rows"),
        BarColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("scoring", total=rows)
        yield lambda done: bar.update(task, completed=done)


def _tell(body: dict[str, Any], places: Places, summary: Summary) -> None:
    version = body["model"]["version"]
    named = f"version {version}, " if version is not None else ""
    print(f"Model {named}{body['model']['family']}, {body['model']['sha256'][:12]}.")
    print(f"{summary.rows:,} rows: {summary.scored:,} scored, {summary.rejected:,} rejected.")
    for reason, count in list(body["reasons"].items())[:10]:
        print(f"  {count:>10,}  {reason}")
    if summary.scored:
        decisions = ", ".join(f"{count:,} {name}" for name, count in body["decisions"].items())
        print(f"{decisions}: {body['approval_rate']:.1%} approved, mean PD {body['mean_pd']:.2%}.")
        grades = "  ".join(f"{name} {count:,}" for name, count in body["grades"].items())
        print(f"Grades: {grades}.")
    print(f"Written: {places.loans}, {places.rejected}, {places.summary}.")
