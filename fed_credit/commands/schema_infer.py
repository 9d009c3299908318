"""``fed-credit schema infer``: a table in, a commented schema out."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fed_credit.commands.parser import Parser
from fed_credit.commands.schema import add_format
from fed_credit.errors import ConfigurationError, FedCreditError

if TYPE_CHECKING:
    from fed_credit.onboarding.infer import Proposal

_DEFAULT_MIN_LOANS = 200  # of conf/data
_DEFAULT_MAX_REJECTED = 0.05
_EXAMPLE = """\
example:
  fed-credit schema infer loans.csv --target status --institution bank --out schema.yaml
"""


def run_infer(arguments: Sequence[str]) -> int:
    """Run ``fed-credit schema infer``.

    Parameters
    ----------
    arguments : sequence of str
        What follows on the command line.

    Returns
    -------
    int
        0.

    Raises
    ------
    FedCreditError
        If the table cannot be read or the proposal not be written.
    """
    given = _parser().parse_args(list(arguments))
    out = Path(given.out)
    if out.is_dir():
        raise ConfigurationError(f"--out={out} is a folder; name a file in it.")
    if out.exists() and not given.force:
        raise ConfigurationError(f"--out={out} exists already; add --force to overwrite it.")
    if not out.parent.is_dir():
        raise ConfigurationError(f"--out={out}: the folder {out.parent} does not exist; make it.")

    from fed_credit.files import local_path, write_text
    from fed_credit.onboarding.infer import Given, infer
    from fed_credit.onboarding.render import to_yaml
    from fed_credit.onboarding.tables import chunks_of

    source = local_path(given.file)
    chunks = chunks_of(source, encoding=given.encoding, delimiter=given.delimiter)
    named = {
        key: value
        for key, value in vars(given).items()
        if key in Given.__dataclass_fields__ and key not in ("good", "bad")
    }
    proposal = infer(chunks, Given(**named, good=tuple(given.good), bad=tuple(given.bad)))
    text = to_yaml(proposal, name=out.stem, source=source.name)
    try:
        write_text(out, text)
    except FedCreditError as error:
        reason = str(error.__context__ or error)
        raise ConfigurationError(
            f"--out={out} cannot be written ({reason}); name another file."
        ) from None
    _print(proposal, given, out)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="fed-credit schema infer",
        description="Propose a schema for a table of loans (CSV or Parquet): kinds, bounds,"
        " missing codes, roles, and the fields that seem to know the outcome. The file it writes"
        " is to be read and mended by a person.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--target", required=True, metavar="COLUMN", help="final status")
    parser.add_argument("--institution", required=True, metavar="COLUMN", help="the lender")
    parser.add_argument("--out", required=True, metavar="FILE", help="schema to write")
    for option, text in (
        ("--loan-id", "identifier of the loan"),
        ("--firm-id", "identifier of the borrowing firm"),
        ("--decision-date", "date of the application or approval"),
        ("--event-date", "date of the default or charge-off"),
        ("--exposure", "amount at risk"),
    ):
        parser.add_argument(option, metavar="COLUMN", help=f"{text} (found by name if it can be)")
    parser.add_argument("--good", nargs="+", default=[], metavar="VALUE", help="target: repaid")
    parser.add_argument("--bad", nargs="+", default=[], metavar="VALUE", help="target: default")
    parser.add_argument("--force", action="store_true", help="overwrite --out")
    add_format(parser)
    return parser


def _print(proposal: Proposal, given: argparse.Namespace, out: Path) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    table = Table(
        title=escape(
            f"{out}: {len(proposal.fields)} fields, {proposal.rows:,} rows,"
            f" {len(proposal.institutions):,} institutions, {proposal.goods:,} good and"
            f" {proposal.bads:,} bad loans"
        ),
        title_justify="left",
    )
    table.add_column("field", overflow="fold")
    for column in ("kind", "use"):
        table.add_column(column)
    table.add_column("missing", justify="right")
    table.add_column("seen", overflow="fold")
    roles = {name: role for role, name in vars(proposal.roles).items() if name is not None}
    for item in proposal.fields:
        made = item.field
        use = roles.get(made.name, "feature" if made.is_feature else "set aside").replace("_", " ")
        if made.is_feature and made.known_at != "application":
            use = "[red]outcome?[/red]" if item.leaks else f"{use}, {made.known_at}"
        table.add_row(
            escape(made.name),
            str(made.kind),
            use,
            f"{item.missing_share:.0%}" if item.missing_share >= 0.005 else "",
            escape("; ".join([*item.leaks, *item.notes][:2])),
        )
    console.print(table)
    if proposal.confirm:
        console.print("To be confirmed by a person:", style="bold")
        for line in proposal.confirm:
            console.print(f"  - {line}", highlight=False, markup=False)
    units = [
        item.field.name
        for item in proposal.fields
        if item.field.kind == "numeric" and item.field.is_feature and not item.field.unit
    ]
    if units:
        console.print(f"  - Units to fill in: {', '.join(units)}.", highlight=False, markup=False)
    rejected = _rejected_share(proposal)
    if rejected > _DEFAULT_MAX_REJECTED:
        console.print(
            f"  - {rejected:.0%} of the sampled rows would be rejected: is that right?",
            highlight=False,
        )
    print("Next:")
    print(f"  {_command(proposal, given, out, rejected)}")


def _rejected_share(proposal: Proposal) -> float:
    """Return the share of the sampled rows that the proposal itself would reject."""
    from fed_credit.data.validate import validate

    return validate(proposal.sample, proposal.schema("proposal")).num_rejected / len(
        proposal.sample
    )


def _command(proposal: Proposal, given: argparse.Namespace, out: Path, rejected: float) -> str:
    """Return the run that works with this schema as it stands."""
    words = ["data=table", f"data.path={_quoted(given.file)}", f"data.schema={_quoted(str(out))}"]
    for key in ("encoding", "delimiter"):
        if getattr(given, key) != "auto":
            words.append(f"data.csv.{key}={_quoted(getattr(given, key))}")
    if not any(
        item.field.is_feature and item.field.known_at == "application" for item in proposal.fields
    ):
        words.append("data.decision_point=booking")
    if rejected > _DEFAULT_MAX_REJECTED:
        share = min(1.0, round(rejected * 1.2 + 0.005, 2))
        words.append(f"data.max_rejected_share={share}")
    sizes = list(proposal.institutions.values())
    if len(sizes) < 2:
        words += ["data.partition.kind=iid", "data.partition.num_parts=2"]
    elif sizes[1] < _DEFAULT_MIN_LOANS:
        words.append(f"data.min_loans={sizes[1]}")
    return "fed-credit simulate " + " ".join(shlex.quote(word) for word in words)


def _quoted(text: str) -> str:
    """Quote a value for Hydra's grammar where it needs it."""
    safe = all(letter.isalnum() or letter in "/._-~" for letter in text)
    return text if safe and text.isascii() else "'" + text.replace("'", "\\'") + "'"
