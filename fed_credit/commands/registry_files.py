"""``fed-credit registry export`` and ``verify``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from fed_credit.commands.anchor import WHAT_A_CHAIN_SHOWS, add_anchor, anchor_of, tell_end
from fed_credit.commands.options import add_json, spare
from fed_credit.commands.registry import open_registry, registry_parser
from fed_credit.errors import ConfigurationError


def run_export(arguments: Sequence[str]) -> int:
    """Run ``fed-credit registry export``.

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
        If there is no such version, the file cannot be written, or MLflow fails.
    """
    parser = registry_parser(
        "export",
        "Write a version's file, or log it with MLflow as a version of a registered model: file,"
        " model card, figures, and its stage as an alias.",
    )
    parser.add_argument("version", type=int, metavar="N", help="the version's number")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the file here (.fcm)")
    parser.add_argument(
        "--mlflow",
        metavar="URI",
        help="MLflow's address: sqlite:///FILE or https://HOST; user and password come from the"
        " environment",
    )
    parser.add_argument(
        "--name",
        default="fed-credit",
        metavar="NAME",
        help="of the registered model in MLflow (default: fed-credit)",
    )
    given = parser.parse_args(list(arguments))
    if given.out is None and given.mlflow is None:
        raise ConfigurationError("Say where to: --out FILE, --mlflow URI, or both.")

    from fed_credit.model_file.archive import write_bytes

    with open_registry(given.home, given.registry) as registry:
        if registry.file is not None:
            spare("--out", given.out, registry.file, "the registry")
        if given.out is not None:
            write_bytes(given.out, registry.body(given.version))
            print(f"Written: {given.out}")
        if given.mlflow is not None:
            from fed_credit.export.mlflow import export_version

            done = export_version(registry, given.version, given.mlflow, given.name)
            print(
                f"Logged with MLflow: {done.name} version {done.version}, run {done.run}, known as"
                f" {', '.join(done.aliases) or 'nothing else'}"
            )
    return 0


def run_verify(arguments: Sequence[str]) -> int:
    """Run ``fed-credit registry verify``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``verify`` on the command line.

    Returns
    -------
    int
        0, or 1 if something is wrong.

    Raises
    ------
    FedCreditError
        If the registry cannot be read.
    """
    parser = registry_parser(
        "verify",
        "Follow the history from its beginning, and check the hash of every file."
        f" {WHAT_A_CHAIN_SHOWS}",
    )
    add_anchor(parser)
    add_json(parser)
    given = parser.parse_args(list(arguments))
    anchor = anchor_of(given)
    with open_registry(given.home, given.registry) as registry:
        found = registry.verify(anchor=anchor)
        end = registry.end()
    if given.json:
        body = {"whole": not found, "events": end.number, "hash": end.hash, "problems": found}
        print(json.dumps(body, indent=2, ensure_ascii=False))
        return 1 if found else 0
    for problem in found:
        print(f"{registry.where}: {problem}.")
    whole = "not whole" if found else "whole"
    print(f"{end.number:,} events; the registry is {whole}.")
    if not found:
        tell_end(end)
    return 1 if found else 0
