"""``fed-credit provision``: make the operator's kit and one for each bank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fed_credit.commands.options import add_debug
from fed_credit.commands.parser import Parser


def run_command(arguments: Sequence[str]) -> int:
    """Run ``fed-credit provision``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``provision`` on the command line.

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    FedCreditError
        If the consortium's file or a change cannot be used, or a kit cannot be written.
    """
    parser = Parser(
        prog="fed-credit provision",
        description="Make one kit for the operator and one for each bank: certificates, keys,"
        " settings, start scripts, container files. Run it again after each change of the file; it"
        " changes what has to change and nothing else.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "file", type=Path, metavar="consortium.yaml", help="hosts, banks, validity; see the docs"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the kits (default: kits beside the file)"
    )
    parser.add_argument(
        "--rotate",
        action="append",
        default=[],
        metavar="BANK",
        help="give this bank a new key, or take the new public key that it handed over",
    )
    parser.add_argument(
        "--remove",
        action="append",
        default=[],
        metavar="BANK",
        help="this bank leaves; delete its entry in the file first",
    )
    parser.add_argument(
        "--renew", action="store_true", help="renew certificates that are near their end"
    )
    add_debug(parser)
    given = parser.parse_args(list(arguments))

    from fed_credit.config.consortium import load_consortium
    from fed_credit.deploy.keys import fingerprint
    from fed_credit.deploy.provision import provision

    spec = load_consortium(given.file)
    folder = given.file if given.file.is_dir() else given.file.parent
    out = (given.out if given.out is not None else folder / "kits").absolute()
    report = provision(spec, out, rotate=given.rotate, remove=given.remove, renew=given.renew)
    print(f"Operator: {report.operator.home}{_changes(report.operator.changed)}")
    for kit in report.banks:
        print(f"{kit.name}: {kit.home}{_changes(kit.changed)}")
        if kit.key is not None:
            print(f"  key {fingerprint(kit.key)}")
    for note in report.notes:
        print(f"Note: {note}")
    return 0


def _changes(names: Sequence[str]) -> str:
    return f"\n  written: {', '.join(names)}" if names else "\n  nothing changed"
