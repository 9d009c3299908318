"""``fed-credit model export``: a model's scoring function for other programs, as ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fed_credit.commands.options import add_debug, spare
from fed_credit.commands.parser import Parser

if TYPE_CHECKING:
    import pandas as pd

    from fed_credit.scoring.scorer import Scorer

_MOST_LOANS = 200_000  # that are compared; more would tell nothing else


def run_export(arguments: Sequence[str]) -> int:
    """Run ``fed-credit model export``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``export`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If the model or the loans cannot be read, the packages are not installed, or the graph does
        not score as the model does; nothing is written then.
    """
    parser = Parser(
        prog="fed-credit model export",
        description="Write a model's scoring function as an ONNX graph, after a comparison of both"
        " on loans.",
        allow_abbrev=False,
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="the file")
    parser.add_argument("--onnx", type=Path, metavar="OUT", required=True, help="where to write")
    parser.add_argument(
        "--check",
        type=Path,
        metavar="LOANS",
        help="a CSV or Parquet file of loans to compare on; drawn ones without it",
    )
    add_debug(parser)
    given = parser.parse_args(list(arguments))
    spare("--onnx", given.onnx, given.model, "the model")
    if given.check is not None:
        spare("--onnx", given.onnx, given.check, "the table of loans")

    from fed_credit.errors import ConfigurationError
    from fed_credit.files import replacing
    from fed_credit.model_file.archive import open_model_file
    from fed_credit.scoring.scorer import Scorer

    opened = open_model_file(given.model)
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError:
        raise ConfigurationError(
            "Export to ONNX needs the packages onnx and onnxruntime; install them with"
            " pip install 'fed-credit[export]'."
        ) from None
    from fed_credit.export.onnx_check import compare, drawn_loans
    from fed_credit.export.onnx_model import to_onnx

    scorer = Scorer(opened.model)
    loans = drawn_loans(scorer) if given.check is None else _read(given.check, scorer)
    exported = to_onnx(opened)
    found = compare(exported, scorer, loans)
    with replacing(given.onnx) as temporary:
        temporary.write_bytes(exported.body)
    source = "drawn at random" if given.check is None else f"of {given.check}"
    aside = f" ({found.rejected:,} more are rejected by the schema)" if found.rejected else ""
    differ = f", {found.scores:,} scores by a point" if found.scores else ", all scores equal"
    print(f"{given.onnx}: {len(exported.body):,} bytes, {len(exported.inputs)} inputs.")
    print(
        f"Over {found.loans:,} loans {source}{aside} the model's PDs differ by at most"
        f" {found.model_pd:.2g} and the calibrated ones by {found.pd:.2g}{differ}."
    )
    for each in exported.inputs:
        if each.instead_of:
            print(f"Input '{each.name}' is for the caller to compute: {each.instead_of}.")
        if each.buckets:
            print(f"Input '{each.name}' is the bucket of a text: its CRC-32 modulo {each.buckets}.")
    return 0


def _read(path: Path, scorer: Scorer) -> pd.DataFrame:
    """Read the first loans of a file."""
    from fed_credit.config.score import load_table
    from fed_credit.data.table import open_table

    place, _ = load_table(None, str(path))
    table = open_table(place, "loans")
    wanted = [name for name in scorer.inputs if name in table.names]
    return next(table.chunks(wanted, _MOST_LOANS))
