"""One task as Flower's SuperExec asks for it: the words of a command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fed_credit.errors import ConfigurationError

CLIENT_COMMAND = "flwr-clientapp"


@dataclass(frozen=True)
class Call:
    """A task that the SuperNode holds for whoever shows its token.

    Parameters
    ----------
    command : str
        Name under which the command was started.
    address : str
        ``HOST:PORT`` of the SuperNode's Runtime API.
    token : str
        Opens this one task.
    insecure : bool
        Whether the Runtime API speaks plain HTTP, as it does on the machine's own loopback.
    certificates : bytes or None
        PEM of the authority behind the Runtime API's certificate.
    """

    command: str
    address: str
    token: str
    insecure: bool
    certificates: bytes | None


def parse_call(words: Sequence[str]) -> Call:
    """Read a command line of SuperExec.

    Parameters
    ----------
    words : sequence of str
        The command's name and its arguments. Unknown ones are passed over, and so is leave to
        install what a bundle asks for: nothing is installed.

    Returns
    -------
    Call

    Raises
    ------
    ConfigurationError
        If the address or the token is missing.
    OSError
        If the certificates cannot be read.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--runtime-api-address")
    parser.add_argument("--token")
    parser.add_argument("--insecure", action="store_true")
    parser.add_argument("--root-certificates", type=Path)
    try:
        given = parser.parse_known_args(list(words[1:]))[0]
    except argparse.ArgumentError as error:
        raise ConfigurationError(f"{words[0]}: {error}.") from None
    if not given.runtime_api_address or not given.token:
        raise ConfigurationError(
            f"{words[0]} needs --runtime-api-address and --token; it is for Flower's SuperExec to"
            " call, not for a person."
        )
    authority = given.root_certificates
    return Call(
        command=Path(words[0]).name,
        address=given.runtime_api_address,
        token=given.token,
        insecure=given.insecure,
        certificates=authority.read_bytes() if authority is not None else None,
    )
