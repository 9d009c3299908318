"""``fed-credit model verify``, ``sign`` and ``keygen``: whether a file is whole, and by whom."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from fed_credit.commands.options import add_debug, add_json, add_trusted
from fed_credit.commands.parser import Parser


def run_verify(arguments: Sequence[str]) -> int:
    """Run ``fed-credit model verify``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``verify`` on the command line.

    Returns
    -------
    int
        0 if the file is whole, its signature not false and, with ``--trusted``, by one of these
        keys; else 1.

    Raises
    ------
    FedCreditError
        If the file cannot be taken apart, or a key cannot be read.
    """
    parser = Parser(
        prog="fed-credit model verify",
        description="Say whether a model's file is whole, part by part, and who stands for it."
        " With --against, say in what it differs from another file.",
        allow_abbrev=False,
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="the file")
    add_trusted(parser)
    parser.add_argument(
        "--against", type=Path, metavar="OTHER", help="another model's file to compare with"
    )
    add_json(parser)
    add_debug(parser)
    given = parser.parse_args(list(arguments))

    from fed_credit.model_file.differences import differences
    from fed_credit.model_file.signature import load_trusted
    from fed_credit.model_file.unpack import read_body, unpacked
    from fed_credit.model_file.verdict import judge

    body = read_body(given.model)
    verdict = judge(body, str(given.model), load_trusted(given.trusted))
    found: list[str] | None = None
    if given.against is not None:
        other = unpacked(read_body(given.against), str(given.against))
        found = differences(unpacked(body, str(given.model)), other)
    if given.json:
        told = {**verdict.as_dict(), "differences": found}
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        print("\n".join(verdict.sentences()))
        if found:
            print(f"Against {given.against}:")
            print("\n".join(f"- {text}" for text in found))
        elif found is not None:
            print(f"Against {given.against}: no part differs.")
    return 0 if verdict.good else 1


def run_sign(arguments: Sequence[str]) -> int:
    """Run ``fed-credit model sign``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``sign`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If the file is not whole or cannot be written, or the key cannot be used.
    """
    parser = Parser(
        prog="fed-credit model sign",
        description="Stand for a model's file with your private key. The signature is added in one"
        " step, or takes the place of the one that is there; nothing else of the file changes.",
        allow_abbrev=False,
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="the file")
    parser.add_argument(
        "--key", type=Path, required=True, metavar="KEY", help="your private key (NAME.key)"
    )
    parser.add_argument(
        "--signer", metavar="NAME", help="what you call yourself (default: the key file's name)"
    )
    add_debug(parser)
    given = parser.parse_args(list(arguments))

    from fed_credit.model_file.archive import open_model_file, packed, write_bytes
    from fed_credit.model_file.signature import fingerprint, load_private, sign

    opened = open_model_file(given.model)
    key = load_private(given.key)
    signer = given.key.stem if given.signer is None else given.signer
    write_bytes(given.model, packed(sign(opened.parts, key, signer)))
    print(
        f"{given.model} ({opened.sha256[:16]}) is signed by '{signer}' with the key"
        f" {fingerprint(key.public_key())[:16]}."
    )
    return 0


def run_keygen(arguments: Sequence[str]) -> int:
    """Run ``fed-credit model keygen``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``keygen`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If there is such a key already, or it cannot be written.
    """
    parser = Parser(
        prog="fed-credit model keygen",
        description="Make a key pair to sign models with (Ed25519): NAME.key, which never leaves"
        " you, and NAME.pub, which whoever is to check your signatures gets from you.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder; made if it is not there"
    )
    parser.add_argument("--name", required=True, metavar="NAME", help="of the two files")
    add_debug(parser)
    given = parser.parse_args(list(arguments))

    from fed_credit.model_file.signature import make_key

    private, public, digest = make_key(given.out, given.name)
    print(f"Private key, for you alone: {private}")
    print(f"Public key, to hand out:    {public}")
    print(f"Fingerprint, to compare:    {digest}")
    return 0
