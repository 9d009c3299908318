"""Certificates of a deployment: who may call itself the server, and who the operator.

Two authorities that do not know each other. The consortium's signs the server's certificate; banks
trust it. The operator's signs the operator's; the proxy trusts it and no other, so nothing a bank
holds passes for an operator's. All keys are EC P-384. A certificate is renewed over the same key,
so that one file changes, in one step; to change a key, move key and certificate away.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fed_credit.deploy.issue import (
    Contents,
    hosts_of,
    is_signed_by,
    key_pem,
    load_certificate,
    load_key,
    signed,
    sorted_hosts,
)
from fed_credit.deploy.kit_files import PUBLIC, SECRET, put
from fed_credit.errors import ConfigurationError

# The SuperLink's own processes and the proxy reach it by these.
LOOPBACK = ("localhost", "127.0.0.1", "::1")
# A bank's clock may be behind.
_BACKDATED = datetime.timedelta(hours=1)


class Role(Enum):
    """What a certificate is for."""

    AUTHORITY = "authority"
    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True)
class CertificateInfo:
    """What a certificate says.

    Parameters
    ----------
    path : Path
        The file.
    common_name, organisation : str
        Of the subject.
    roles : frozenset of Role
        What it may be used for.
    hosts : tuple of str
        DNS names, then IP addresses, each sorted.
    not_before, not_after : datetime
        When it holds, UTC.
    """

    path: Path
    common_name: str
    organisation: str
    roles: frozenset[Role]
    hosts: tuple[str, ...]
    not_before: datetime.datetime
    not_after: datetime.datetime

    def days_left(self, now: datetime.datetime) -> float:
        """Return the days until it ends; negative after it.

        Parameters
        ----------
        now : datetime
            With time zone.

        Returns
        -------
        float
        """
        return (self.not_after - now) / datetime.timedelta(days=1)


@dataclass(frozen=True)
class Wanted:
    """What a certificate ought to be.

    Parameters
    ----------
    certificate, key : Path
        Its two files.
    role : Role
        What it is for.
    organisation, common_name : str
        Of the subject; at most 64 bytes of UTF-8 each.
    hosts : tuple of str
        DNS names and IP addresses, of a server.
    days : int
        How long it holds; never longer than its authority.
    """

    certificate: Path
    key: Path
    role: Role
    organisation: str
    common_name: str
    hosts: tuple[str, ...]
    days: int


def read_certificate(path: Path) -> CertificateInfo:
    """Read what a certificate says.

    Parameters
    ----------
    path : Path
        PEM; of several, the first.

    Returns
    -------
    CertificateInfo

    Raises
    ------
    ConfigurationError
        If the file cannot be read or holds no certificate.
    """
    made = load_certificate(path)
    return CertificateInfo(
        path=path,
        common_name=_name(made, NameOID.COMMON_NAME),
        organisation=_name(made, NameOID.ORGANIZATION_NAME),
        roles=frozenset(_roles(made)),
        hosts=hosts_of(made),
        not_before=made.not_valid_before_utc,
        not_after=made.not_valid_after_utc,
    )


def belongs(certificate: Path, key: Path) -> bool:
    """Return whether a certificate is of a private key.

    Raises
    ------
    ConfigurationError
        If a file cannot be read or is not what its name says.
    """
    return load_certificate(certificate).public_key() == load_key(key).public_key()


def signed_by(certificate: Path, authority: Path) -> bool:
    """Return whether an authority's certificate signed another one.

    Raises
    ------
    ConfigurationError
        If a file cannot be read or holds no certificate.
    """
    return is_signed_by(load_certificate(certificate), load_certificate(authority))


def ensure(
    wanted: Wanted,
    authority: Wanted | None,
    now: datetime.datetime,
    *,
    renew_within: int | None = None,
) -> str | None:
    """Make a certificate and its key, or make it anew, where that is needed.

    Parameters
    ----------
    wanted : Wanted
        What it ought to be.
    authority : Wanted or None
        Who signs it; None: it signs itself. Its key is read only to sign, so that it can be kept
        elsewhere in between.
    now : datetime
        With time zone.
    renew_within : int or None
        Renew what ends within so many days; None: nothing.

    Returns
    -------
    str or None
        Why it was made, in a few words; None where nothing changed.

    Raises
    ------
    FedCreditError
        If a file cannot be read or written, is not what its name says, or the authority's key is
        needed and not there.
    """
    why = _reason(wanted, authority, now, renew_within)
    if why is None:
        _protect(wanted.key)
        return None
    if not wanted.key.is_file():
        if authority is None and wanted.certificate.is_file():
            raise _key_is_elsewhere(wanted)
        key = ec.generate_private_key(ec.SECP384R1())
    else:
        key = load_key(wanted.key)
    body = _issued(wanted, key, authority, now)
    # The key first: a call that was killed in between finds it and signs for it again.
    if wanted.key.is_file():
        _protect(wanted.key)
    else:
        put(wanted.key, key_pem(key), SECRET)
    put(wanted.certificate, body, PUBLIC)
    return why


def _reason(
    wanted: Wanted, authority: Wanted | None, now: datetime.datetime, renew_within: int | None
) -> str | None:
    if not wanted.certificate.is_file():
        return "made"
    if authority is not None and not wanted.key.is_file():
        return "made anew with a new key, since its key was missing"
    made = load_certificate(wanted.certificate)
    if wanted.key.is_file() and made.public_key() != load_key(wanted.key).public_key():
        return "made anew, since its key is another one"
    signer = load_certificate(authority.certificate) if authority is not None else made
    if not is_signed_by(made, signer):
        return "made anew, since its authority is another one"
    if hosts_of(made) != sorted_hosts(wanted.hosts):
        return "made anew, since the hosts changed"
    if renew_within is not None:
        left = (made.not_valid_after_utc - now) / datetime.timedelta(days=1)
        # One that ends with its authority cannot be renewed beyond it.
        bounded = authority is not None and made.not_valid_after_utc >= signer.not_valid_after_utc
        if left < renew_within and not bounded:
            return "renewed"
    return None


def _issued(
    wanted: Wanted,
    key: ec.EllipticCurvePrivateKey,
    authority: Wanted | None,
    now: datetime.datetime,
) -> bytes:
    begin = now.replace(microsecond=0)
    end = begin + datetime.timedelta(days=wanted.days)
    issuer, signing_key = None, key
    if authority is not None:
        signer = load_certificate(authority.certificate)
        issuer = signer.subject
        if not authority.key.is_file():
            raise _key_is_elsewhere(authority)
        signing_key = load_key(authority.key)
        end = min(end, signer.not_valid_after_utc)
        if end <= begin:
            raise ConfigurationError(
                f"{authority.certificate} ended on {end:%Y-%m-%d}, so it can sign nothing; run"
                " fed-credit provision with --renew."
            )
    about = Contents(
        organisation=wanted.organisation,
        common_name=wanted.common_name,
        usage=_USAGES.get(wanted.role),
        hosts=wanted.hosts,
        not_before=begin - _BACKDATED,
        not_after=end,
    )
    return signed(about, key, issuer, signing_key)


_USAGES = {
    Role.SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
    Role.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
}


def _roles(made: x509.Certificate) -> list[Role]:
    found = []
    for extension in made.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            found.append(Role.AUTHORITY)
        if isinstance(value, x509.ExtendedKeyUsage):
            found += [role for role, usage in _USAGES.items() if usage in value]
    return found


def _name(made: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    found = made.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""


def _protect(key: Path) -> None:
    if key.is_file():
        put(key, key.read_bytes(), SECRET)


def _key_is_elsewhere(authority: Wanted) -> ConfigurationError:
    return ConfigurationError(
        f"{authority.key} is not there and is needed to sign; put it back from where you keep it,"
        " and run this again."
    )
