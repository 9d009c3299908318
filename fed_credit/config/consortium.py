"""What a deployment is made of: ``consortium.yaml``, typed and checked."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fed_credit.config.convert import build, refused
from fed_credit.config.location import deploy_dir, schema_dir
from fed_credit.config.merge import merged
from fed_credit.config.yaml_file import naming, read_mapping
from fed_credit.errors import ConfigurationError, suggestion
from fed_credit.files import local_path

CONSORTIUM_FILE = "consortium.yaml"

_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
# Bytes of an X.509 organisation, RFC 5280, and what a page of reports has room for.
_LONGEST_NAME = 64
_LONGEST_BANK = 200
_LONGEST_SLUG = 40
# No certificate outlives what a 64-bit clock and every TLS library agree on.
_LONGEST_VALIDITY = 36_500


@dataclass
class OperatorHostsSpec:
    """The operator's machine.

    Parameters
    ----------
    hosts : list of str
        DNS names and IP addresses; banks connect to the first one.
    listen : str
        IP address on which the proxy listens.
    port : int
        Public port of the proxy.
    superlink_port : int
        Port of the SuperLink, on the operator's machine alone.
    """

    hosts: list[str]
    listen: str
    port: int
    superlink_port: int


@dataclass
class ValiditySpec:
    """How long certificates hold, in days.

    Parameters
    ----------
    ca, server, operator : int
        Of both authorities, the server's certificate, and the operator's.
    renew_before : int
        What ends within so many days is near its end.
    """

    ca: int
    server: int
    operator: int
    renew_before: int


@dataclass
class EveryBankSpec:
    """What holds for a bank whose entry does not say otherwise.

    Parameters
    ----------
    public_key : str or None
        Path of the public key that the bank made; None: the key is made with the kit.
    runtime_port : int
        Port on the bank's machine between the SuperNode and its app.
    """

    public_key: str | None
    runtime_port: int


@dataclass
class ConsortiumBankSpec(EveryBankSpec):
    """A bank.

    Parameters
    ----------
    name : str
        As it stands in reports; its node is registered under it.
    """

    name: str

    @property
    def slug(self) -> str:
        """The bank's folder among the kits; see :func:`slug`."""
        return slug(self.name)


@dataclass
class ConsortiumSpec:
    """A deployment.

    Parameters
    ----------
    name : str
        Of the consortium, as it stands in the certificates.
    operator : OperatorHostsSpec
        The operator's machine.
    schema : str or None
        Name of a packaged schema, an absolute path, or None: each bank's own.
    validity_days : ValiditySpec
        How long certificates hold.
    every_bank : EveryBankSpec
        What an entry of ``banks`` does not say.
    banks : list of ConsortiumBankSpec
        Those who take part.
    """

    name: str
    operator: OperatorHostsSpec
    schema: str | None
    validity_days: ValiditySpec
    every_bank: EveryBankSpec
    banks: list[ConsortiumBankSpec]


def slug(name: str) -> str:
    """Return the name of a bank's folder: lower-case ASCII letters, digits and hyphens.

    It depends on the name alone, so that it stays when other banks come and go. Other letters,
    such as Chinese ones, cannot be spelled in it: such a name, or a long one, ends with eight
    digits of its SHA-256. ``Riverside Bank`` is ``riverside-bank``, ``江南银行`` is
    ``bank-d99408b8``.

    Parameters
    ----------
    name : str
        The bank's name.

    Returns
    -------
    str
        At most 40 signs.
    """
    text = unicodedata.normalize("NFKD", name).lower()
    bare = "".join(sign for sign in text if not unicodedata.combining(sign))
    words = re.sub(r"[^a-z0-9]+", "-", bare).strip("-")
    if (
        words
        and len(words) <= _LONGEST_SLUG
        and not any(sign.isalnum() and not sign.isascii() for sign in bare)
    ):
        return words
    digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode()).hexdigest()[:8]
    start = words[: _LONGEST_SLUG - len(digest) - 1].strip("-") or "bank"
    return f"{start}-{digest}"


def load_consortium(path: Path) -> ConsortiumSpec:
    """Read a consortium's file over the packaged defaults.

    Parameters
    ----------
    path : Path
        The file, or a folder with ``consortium.yaml`` in it.

    Returns
    -------
    ConsortiumSpec
        With absolute paths.

    Raises
    ------
    ConfigurationError
        If the file is missing, or a key or value in it cannot be used; names the file and the key.
    """
    file = path / CONSORTIUM_FILE if path.is_dir() else path
    if not file.is_file():
        raise ConfigurationError(
            f"{file} does not exist; write one with a name, operator.hosts and banks."
        )
    values = merged(read_mapping(deploy_dir() / CONSORTIUM_FILE), read_mapping(file))
    folder = file.resolve().parent
    with naming(file):
        _complete_banks(values)
        spec = build(ConsortiumSpec, values)
        _check(spec)
        return replace(
            spec,
            schema=_schema(spec.schema, folder),
            banks=[replace(bank, public_key=_key(bank, folder)) for bank in spec.banks],
        )


def _complete_banks(values: dict[str, Any]) -> None:
    if isinstance(values["banks"], list):
        values["banks"] = [
            merged(values["every_bank"], entry) if isinstance(entry, dict) else entry
            for entry in values["banks"]
        ]


def _check(spec: ConsortiumSpec) -> None:
    _check_name("name", spec.name, _LONGEST_NAME)
    _check_hosts(spec.operator.hosts)
    if not is_ip(spec.operator.listen):
        raise refused("operator.listen", spec.operator.listen, "it must be an IP address")
    ports = {"port": spec.operator.port, "superlink_port": spec.operator.superlink_port}
    for key, port in ports.items():
        _check_port(f"operator.{key}", port)
    if spec.operator.port == spec.operator.superlink_port:
        raise refused(
            "operator.port", spec.operator.port, "operator.superlink_port needs another port"
        )
    for key in ("ca", "server", "operator", "renew_before"):
        days = getattr(spec.validity_days, key)
        if not 1 <= days <= _LONGEST_VALIDITY:
            raise refused(f"validity_days.{key}", days, f"it must be from 1 to {_LONGEST_VALIDITY}")
    for key in ("ca", "server", "operator"):
        days = getattr(spec.validity_days, key)
        if days <= spec.validity_days.renew_before:
            raise refused(
                f"validity_days.{key}", days, "it must be more than validity_days.renew_before"
            )
    _check_port("every_bank.runtime_port", spec.every_bank.runtime_port)
    _check_banks(spec.banks)


def _check_banks(banks: list[ConsortiumBankSpec]) -> None:
    if not banks:
        raise ConfigurationError("banks is empty; list them as [{name: Riverside Bank}, ...].")
    for place, bank in enumerate(banks):
        _check_name(f"banks[{place}].name", bank.name, _LONGEST_BANK)
        _check_port(f"banks[{place}].runtime_port", bank.runtime_port)
    if twice := _twice(bank.name for bank in banks):
        raise ConfigurationError(f"banks names '{twice}' twice; give each bank one entry.")
    if twice := _twice(bank.slug for bank in banks):
        first, second = [bank.name for bank in banks if bank.slug == twice][:2]
        raise ConfigurationError(
            f"banks: '{first}' and '{second}' would share the folder '{twice}'; rename one of them."
        )


def _twice(words: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for word in words:
        if word in seen:
            return word
        seen.add(word)
    return None


def _check_name(key: str, name: str, longest: int) -> None:
    if not name:
        raise ConfigurationError(f"{key} is empty; give a name.")
    if name != name.strip() or not name.isprintable():
        raise ConfigurationError(
            f"{key}={name!r} has blanks around it, or signs that cannot be printed; take them out."
        )
    if len(name.encode()) > longest:
        raise refused(key, name, f"it is longer than {longest} bytes of UTF-8")


def _check_hosts(hosts: list[str]) -> None:
    if not hosts:
        raise ConfigurationError(
            "operator.hosts is empty; give the DNS names and IP addresses by which banks reach the"
            " operator, as in [credit.example.org]."
        )
    for host in hosts:
        if not (is_ip(host) or _is_dns(host)):
            raise refused(
                "operator.hosts",
                host,
                "each must be a DNS name in ASCII (xn--... for others) or an IP address, without"
                " scheme, port or *",
            )
    if twice := _twice(hosts):
        raise ConfigurationError(f"operator.hosts names '{twice}' twice; name each host once.")


def is_ip(host: str) -> bool:
    """Return whether a host is given as an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_dns(host: str) -> bool:
    labels = host.split(".")
    # A last label of digits is an IP address with a slip in it.
    return (
        len(host) <= 253
        and all(_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdigit()
    )


def _check_port(key: str, port: int) -> None:
    if not 0 < port < 65536:
        raise refused(key, port, "a port is from 1 to 65535")


def _schema(name: str | None, folder: Path) -> str | None:
    packaged = sorted(path.stem for path in schema_dir().glob("*.yaml"))
    if name is None or name in packaged:
        return name
    path = folder / local_path(name)
    if not path.is_file():
        raise ConfigurationError(
            f"schema={name} is neither a packaged schema ({', '.join(packaged)}) nor a file beside"
            f" {CONSORTIUM_FILE}; check the path.{suggestion(name, packaged)}"
        )
    return str(path)


def _key(bank: ConsortiumBankSpec, folder: Path) -> str | None:
    return None if bank.public_key is None else str(folder / local_path(bank.public_key))
