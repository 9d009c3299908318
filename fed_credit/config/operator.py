"""The operator's side of a deployment: ``operator.yaml`` and the list of registered banks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from fed_credit.config.convert import build
from fed_credit.config.yaml_file import naming, read_mapping
from fed_credit.errors import ConfigurationError

OPERATOR_FILE = "operator.yaml"
BANKS_FILE = "banks.json"


class BankStatus(Enum):
    """Whether a key may connect."""

    ACTIVE = "active"
    RETIRED = "retired"
    REMOVED = "removed"


@dataclass
class EndpointSpec:
    """Where something listens.

    Parameters
    ----------
    host : str
        DNS name or IP address, IPv6 without brackets.
    port : int
        TCP port.
    """

    host: str
    port: int

    @property
    def address(self) -> str:
        """The address as ``HOST:PORT``, IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass
class BankEntry:
    """One key of one bank, as ``banks.json`` keeps it.

    Parameters
    ----------
    name : str
        The bank's name, under which its node is registered.
    slug : str
        Its folder among the kits, stable for the name.
    public_key : str
        OpenSSH text of two words, ``ecdsa-sha2-nistp384 AAAA...``; unique among the entries.
    status : BankStatus
        ``active``: has to be registered; at most one for each name. ``retired``: a former key of a
        bank that has another one. ``removed``: the bank left. The last two must not be registered.
    """

    name: str
    slug: str
    public_key: str
    status: BankStatus


@dataclass(frozen=True)
class OperatorSpec:
    """What the operator's commands need to know; made by ``fed-credit provision``.

    Parameters
    ----------
    home : Path
        The operator's folder, absolute. ``flwr`` in it is Flower's home (``$FLWR_HOME``), whose
        ``config.toml`` names the connection :data:`CONNECTION`.
    name : str
        Name of the consortium.
    superlink : EndpointSpec
        The SuperLink, on the operator's machine alone.
    proxy : EndpointSpec
        What banks and remote operators connect to.
    ca : Path
        Certificate of the authority that signed the server's.
    client_cert, client_key : Path
        The operator's certificate and key for the proxy.
    runs : Path
        Folder of the results, one folder in it for each run.
    banks : tuple of BankEntry
        Everything in ``banks.json``, retired and removed keys among it.
    """

    home: Path
    name: str
    superlink: EndpointSpec
    proxy: EndpointSpec
    ca: Path
    client_cert: Path
    client_key: Path
    runs: Path
    banks: tuple[BankEntry, ...]

    @property
    def active(self) -> tuple[BankEntry, ...]:
        """The banks that take part, sorted by name."""
        found = (bank for bank in self.banks if bank.status is BankStatus.ACTIVE)
        return tuple(sorted(found, key=lambda bank: bank.name))


# Of the SuperLink in Flower's own configuration.
CONNECTION = "consortium"


@dataclass
class _File:
    """``operator.yaml`` as it is written."""

    name: str
    superlink: EndpointSpec
    proxy: EndpointSpec
    ca: str
    client_cert: str
    client_key: str
    runs: str


@dataclass
class _Banks:
    """``banks.json`` below one name, as :func:`build` reads it."""

    banks: list[BankEntry]


def load_operator(path: Path) -> OperatorSpec:
    """Read the operator's file and the list of banks beside it.

    Parameters
    ----------
    path : Path
        ``operator.yaml``, or the folder with it.

    Returns
    -------
    OperatorSpec
        With absolute paths. Whether certificates are there is for who reads them to see.

    Raises
    ------
    ConfigurationError
        If a file is missing, or a key or value in it cannot be used.
    """
    file = path / OPERATOR_FILE if path.is_dir() else path
    if not file.is_file():
        raise ConfigurationError(
            f"{file} does not exist; name the operator's home folder, which fed-credit provision"
            " makes."
        )
    home = file.resolve().parent
    with naming(file):
        made = build(_File, read_mapping(file))
    return OperatorSpec(
        home=home,
        name=made.name,
        superlink=made.superlink,
        proxy=made.proxy,
        ca=home / made.ca,
        client_cert=home / made.client_cert,
        client_key=home / made.client_key,
        runs=home / made.runs,
        banks=tuple(load_banks(home / BANKS_FILE)),
    )


def load_banks(path: Path) -> list[BankEntry]:
    """Read the list of banks and their keys.

    Parameters
    ----------
    path : Path
        ``banks.json``.

    Returns
    -------
    list of BankEntry
        In the order of the file.

    Raises
    ------
    ConfigurationError
        If the file cannot be read or is no such list.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return build(_Banks, {"banks": entries}).banks
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error.strerror}); fed-credit provision makes it."
        ) from None
    except ValueError:
        raise ConfigurationError(
            f"{path} is not valid JSON; take it back from a copy, it says whose keys may connect."
        ) from None
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None
