"""``fed-credit model show``: what a model is, what it is worth and how it decides, on a screen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fed_credit.commands.options import add_debug
from fed_credit.commands.parser import Parser

if TYPE_CHECKING:
    from fed_credit.model_file.archive import Opened


def run_show(arguments: Sequence[str]) -> int:
    """Run ``fed-credit model show``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``show`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If the file cannot be read.
    """
    parser = Parser(
        prog="fed-credit model show",
        description="Show what a model is, what it is worth and how it decides. Its card tells"
        " more: fed-credit model card.",
        allow_abbrev=False,
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="the file")
    parser.add_argument("--json", action="store_true", help="for programs: all but the weights")
    add_debug(parser)
    given = parser.parse_args(list(arguments))

    from fed_credit.model_file.archive import open_model_file

    opened = open_model_file(given.model)
    if given.json:
        print(json.dumps(_body(opened), indent=2, ensure_ascii=False))
        return 0

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    shown = Table(show_header=False, title=str(given.model), title_justify="left")
    shown.add_column(overflow="fold")
    shown.add_column(overflow="fold")
    for name, text in _rows(opened):
        shown.add_row(escape(name), escape(text))
    Console().print(shown)
    return 0


def _body(opened: Opened) -> dict[str, Any]:
    from fed_credit.model_file.signature import verify

    model, signature = opened.model, verify(opened.parts, {})
    return {
        "sha256": opened.sha256,
        "family": model.artefact.spec.family,
        "model_sha256": model.artefact.sha256,
        "schema": model.schema.name,
        "calibration": model.calibration.as_dict(),
        "policy": model.policy.as_dict(),
        "evaluation": model.evaluation,
        "reference": model.reference is not None,
        "provenance": model.provenance,
        "signature": {**vars(signature), "state": str(signature.state)},
        "parts": {name: len(body) for name, body in sorted(opened.parts.items())},
    }


def _rows(opened: Opened) -> Iterator[tuple[str, str]]:
    from fed_credit.model_file.card_parts import count, figure, interval, percent
    from fed_credit.model_file.signature import SignatureState, verify

    model = opened.model
    origin, policy, calibration = model.provenance, model.policy, model.calibration
    yield "sha256", opened.sha256
    yield "family", model.artefact.spec.family
    yield "schema", model.schema.name
    yield "target", str(origin.get("target", {}).get("text", "-"))
    yield "features", count(len(model.artefact.model.features))
    yield "owner", str(origin.get("owner") or "not named")
    for name in ("validation", "test"):
        part = model.evaluation.get(name)
        if part is None:
            yield f"{name} loans", "not measured"
            continue
        made, months = part["decision"], (part["first_month"], part["last_month"])
        when = f", decided {months[0]} to {months[1]}" if months[0] else ""
        yield f"{name} loans", f"{part['loans']:,} ({part['bads']:,} bad){when}"
        yield (
            f"  on {name} loans",
            f"AUC {interval(part['pd']['auc'])}, KS {figure(part['pd']['ks'])}, Brier"
            f" {figure(part['pd']['brier'], 4)}, mean PD {percent(part['pd']['mean'])} against"
            f" {percent(part['default_rate'])} bad",
        )
        yield (
            "  decisions",
            f"{percent(made['approval_rate'])} approved, of these"
            f" {percent(made['bad_rate_approved'])} bad; profit {figure(made['profit_per_loan'])}"
            " per loan",
        )
    segments = model.evaluation.get("segments", [])
    few = sum(not one["assessable"] for one in segments)
    yield "segments", f"{len(segments)}, of which {few} are not assessable"
    yield (
        "calibration",
        f"{calibration.method}: shift {figure(calibration.shift, 4)}, slope"
        f" {figure(calibration.slope, 4)}, on {calibration.loans:,} loans"
        + (
            f"; long-run rate {percent(calibration.default_rate, 2)}"
            if calibration.long_run
            else ""
        ),
    )
    yield (
        "policy",
        f"approve below {percent(policy.approve_below, 2)}, decline from"
        f" {percent(policy.decline_from, 2)}, {policy.reasons} reasons at most",
    )
    yield "reference", "none" if model.reference is None else "there, for drift"
    signature = verify(opened.parts, {})
    by = f"by '{signature.signer}', key {signature.key[:16]} (fed-credit model verify --trusted)"
    yield (
        "signature",
        {SignatureState.NONE: "none", SignatureState.BAD: "FALSE"}.get(signature.state, by),
    )
    for one in origin.get("edits", ()):
        yield "changed", f"{one['kind']}, made of {one['from_sha256']}"
    for text in origin.get("warnings", ()):
        yield "warning", text
