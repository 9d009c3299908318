"""Certificates and keys: dates, names, who signed them, what belongs together."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from fed_credit.deploy.doctor.finding import Finding, ok, problem, warning
from fed_credit.deploy.keys import fingerprint, public_half, read_public_key
from fed_credit.deploy.pki import CertificateInfo, belongs, read_certificate, signed_by

SOON_DAYS = 30


def dates(name: str, info: CertificateInfo, renewal: str) -> Iterator[Finding]:
    """Check that a certificate is valid now and for the next 30 days.

    Parameters
    ----------
    name : str
        What to call the certificate.
    info : CertificateInfo
        What it says.
    renewal : str
        How to get a new one, as a sentence.

    Yields
    ------
    Finding
        One.
    """
    check, now = f"{name}: dates", datetime.now(UTC)
    if now < info.not_before:
        yield problem(
            check,
            f"not valid before {info.not_before:%Y-%m-%d %H:%M} UTC, and this machine's clock says"
            f" {now:%Y-%m-%d %H:%M}",
            f"Set this machine's clock. If it is right: {renewal}",
        )
    elif now > info.not_after:
        yield problem(check, f"ended on {info.not_after:%Y-%m-%d}", renewal)
    elif info.days_left(now) < SOON_DAYS:
        days = int(info.days_left(now))
        yield warning(check, f"ends on {info.not_after:%Y-%m-%d}, in {days} days", renewal)
    else:
        yield ok(check, f"until {info.not_after:%Y-%m-%d}")


def hosts(
    name: str, info: CertificateInfo, wanted: Sequence[str], renewal: str
) -> Iterator[Finding]:
    """Check that a certificate is made out for the hosts by which others connect.

    Parameters
    ----------
    name : str
        What to call the certificate.
    info : CertificateInfo
        What it says.
    wanted : sequence of str
        DNS names and IP addresses.
    renewal : str
        How to get a new one, as a sentence.

    Yields
    ------
    Finding
        One.
    """
    check = f"{name}: names"
    held = set(info.hosts)
    lacking = [host for host in wanted if _spelled(host) not in held]
    shown = ", ".join(info.hosts) or "no host"
    if lacking:
        yield problem(check, f"made out for {shown}, not for {', '.join(lacking)}", renewal)
    else:
        yield ok(check, shown)


def _spelled(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host.lower()


def chain(name: str, certificate: Path, authority: Path, renewal: str) -> Iterator[Finding]:
    """Check that an authority signed a certificate.

    Parameters
    ----------
    name : str
        What to call the certificate.
    certificate, authority : Path
        Who is said to be signed, and by whom.
    renewal : str
        What to do if not, as a sentence.

    Yields
    ------
    Finding
        One.
    """
    signer = read_certificate(authority).common_name
    if signed_by(certificate, authority):
        yield ok(f"{name}: chain", f"signed by {signer} ({authority.name})")
    else:
        yield problem(f"{name}: chain", f"not signed by {authority.name} ({signer})", renewal)


def key_of(name: str, certificate: Path, key: Path, renewal: str) -> Iterator[Finding]:
    """Check that a certificate is of a private key.

    Parameters
    ----------
    name : str
        What to call the key.
    certificate, key : Path
        The two files.
    renewal : str
        What to do if not, as a sentence.

    Yields
    ------
    Finding
        One.
    """
    if belongs(certificate, key):
        yield ok(f"{name}: pair", f"belongs to {certificate.name}")
    else:
        yield problem(f"{name}: pair", f"is not the key of {certificate.name}", renewal)


def node_pair(key: Path, public: Path) -> Iterator[Finding]:
    """Check that a bank's key is one that Flower signs with, and its public half is the one shown.

    Parameters
    ----------
    key, public : Path
        ``node.key`` and ``node.pub``.

    Yields
    ------
    Finding
        One.
    """
    check, own = f"{key.name}: pair", public_half(key)
    if own == read_public_key(public):
        yield ok(check, f"{public.name} is its public half, {fingerprint(own)}")
    else:
        yield problem(
            check,
            f"{public.name} is the public half of another key",
            f"ssh-keygen -y -f {key} > {public}, and compare the fingerprint ({fingerprint(own)})"
            " with the operator's.",
        )
