"""``fed-credit registry``: models by version and stage, and how they came there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fed_credit.commands.options import add_json, store_parser
from fed_credit.commands.parser import Parser
from fed_credit.commands.subcommands import dispatch, lazily

if TYPE_CHECKING:
    from fed_credit.registry.records import Event, Version
    from fed_credit.registry.registry import Registry


def run_command(arguments: Sequence[str]) -> int:
    """Run ``fed-credit registry``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``registry`` on the command line.

    Returns
    -------
    int
        Exit code: 0, or 1 if ``verify`` found something wrong.

    Raises
    ------
    FedCreditError
        If the user can mend what went wrong.
    """
    changes, files = "registry_changes", "registry_files"
    subcommands = {
        "add": ("register a model's file", lazily(changes, "run_add")),
        "list": ("show the versions and where each stands", _list),
        "show": ("show a version, its file and what happened to it", _show),
        "promote": (
            "make a version champion, challenger or candidate",
            lazily(changes, "run_promote"),
        ),
        "retire": ("take a version out of use", lazily(changes, "run_retire")),
        "rollback": (
            "make the champion before this one champion again",
            lazily(changes, "run_rollback"),
        ),
        "history": ("show who did what, when and why", _history),
        "export": ("write a version's file, or log it with MLflow", lazily(files, "run_export")),
        "verify": ("say whether history and files are whole", lazily(files, "run_verify")),
    }
    return dispatch("registry", subcommands, arguments, options=" [--home HOME | --registry WHERE]")


def registry_parser(name: str, description: str) -> Parser:
    """Return a parser with what every subcommand takes."""
    return store_parser("registry", name, description, "--registry", "registry.db")


def open_registry(home: Path, where: str | None, *, create: bool = False) -> Registry:
    """Open the registry that the arguments name."""
    from fed_credit.config.serve import load_serve
    from fed_credit.registry.registry import Registry

    return Registry.open(load_serve(home).registry if where is None else where, create=create)


def _list(arguments: Sequence[str]) -> int:
    parser = registry_parser("list", "Show the versions and where each stands.")
    add_json(parser)
    given = parser.parse_args(list(arguments))
    with open_registry(given.home, given.registry) as registry:
        versions = registry.versions()
    if given.json:
        print(json.dumps([asdict(version) for version in versions], indent=2, ensure_ascii=False))
    elif not versions:
        print("No model is registered; fed-credit registry add MODEL --reason TEXT does it.")
    else:
        _versions_table(versions)
    return 0


def _show(arguments: Sequence[str]) -> int:
    parser = registry_parser("show", "Show a version, who stands for its file, and its history.")
    parser.add_argument("version", type=int, metavar="N", help="the version's number")
    add_json(parser)
    given = parser.parse_args(list(arguments))

    from fed_credit.model_file.verdict import judge

    with open_registry(given.home, given.registry) as registry:
        version, body = registry.version(given.version), registry.body(given.version)
        events = registry.history(given.version)
    verdict = judge(body, f"version {version.number}", {})
    if given.json:
        told = {
            **asdict(version),
            "bytes": len(body),
            "file": verdict.as_dict(),
            "history": [asdict(event) for event in events],
        }
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return 0
    print(f"Version {version.number}: {version.family}, {version.stage}, {len(body):,} bytes")
    print(f"SHA-256 {version.sha256}")
    print("\n".join(verdict.sentences()))
    print()
    _tell(events)
    return 0 if verdict.good else 1


def _history(arguments: Sequence[str]) -> int:
    parser = registry_parser("history", "Show who did what, when and why, the oldest event first.")
    parser.add_argument("version", type=int, nargs="?", metavar="N", help="only of this version")
    add_json(parser)
    given = parser.parse_args(list(arguments))
    with open_registry(given.home, given.registry) as registry:
        events = registry.history(given.version)
    if given.json:
        print(json.dumps([asdict(event) for event in events], indent=2, ensure_ascii=False))
    elif not events:
        print("Nothing has happened yet.")
    else:
        _tell(events)
    return 0


def _versions_table(versions: Sequence[Version]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Registered models", title_justify="left")
    for name in ("n", "stage", "family", "registered (UTC)", "by", "why", "SHA-256"):
        table.add_column(name, justify="right" if name == "n" else "left", overflow="fold")
    for one in versions:
        cells = [f"{one.number}", str(one.stage), one.family, _time(one.registered)]
        cells += [one.by, one.reason, one.sha256[:12]]
        table.add_row(*[escape(cell) for cell in cells])
    Console().print(table)


def _tell(events: Sequence[Event]) -> None:
    """Print an event a paragraph, with what goes along with it."""
    for event in events:
        before = "" if event.before is None else f" ({event.before} -> {event.after})"
        what = event.kind.replace("_", " ")
        print(f"{event.number}. {_time(event.time)}  version {event.version} {what}{before}")
        print(f"   by {event.actor}: {event.reason}")
        for line in _details(event.details, "   "):
            print(line)


def _details(details: Mapping[str, Any], indent: str) -> list[str]:
    """Return plain values as indented lines; lists of plain things on one line."""
    lines = []
    for key, value in details.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{indent}{key}:", *_details(value, f"{indent}  ")]
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            for number, item in enumerate(value, 1):
                body = item if isinstance(item, Mapping) else {"": item}
                lines += [f"{indent}{key} {number}:", *_details(body, f"{indent}  ")]
        else:
            text = f"{value:.6g}" if isinstance(value, float) else f"{value}"
            lines.append(f"{indent}{key}: {text}")
    return lines


def _time(text: str) -> str:
    return text[:19].replace("T", " ")
