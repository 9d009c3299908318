"""Certificates and keys as X.509 and PEM spell them: writing one, reading them back."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fed_credit.errors import ConfigurationError


@dataclass(frozen=True)
class Contents:
    """What a certificate is to say.

    Parameters
    ----------
    organisation, common_name : str
        Of the subject; at most 64 bytes of UTF-8 each.
    usage : ObjectIdentifier or None
        Its extended key usage; None: it is an authority.
    hosts : tuple of str
        DNS names and IP addresses.
    not_before, not_after : datetime
        When it holds, with time zone, whole seconds.
    """

    organisation: str
    common_name: str
    usage: x509.ObjectIdentifier | None
    hosts: tuple[str, ...]
    not_before: datetime.datetime
    not_after: datetime.datetime


def signed(
    contents: Contents,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name | None,
    signing_key: ec.EllipticCurvePrivateKey,
) -> bytes:
    """Make a certificate.

    Parameters
    ----------
    contents : Contents
        What it says.
    key : EllipticCurvePrivateKey
        Whose it is.
    issuer : Name or None
        Who signs it; None: its own subject.
    signing_key : EllipticCurvePrivateKey
        The signer's.

    Returns
    -------
    bytes
        PEM.
    """
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, contents.organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, contents.common_name),
        ]
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(contents.not_before)
        .not_valid_after(contents.not_after)
    )
    for extension, critical in _extensions(contents, key.public_key(), signing_key.public_key()):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signing_key, hashes.SHA384()).public_bytes(serialization.Encoding.PEM)


def hosts_of(made: x509.Certificate) -> tuple[str, ...]:
    """Return the hosts that a certificate is for, spelled by :func:`sorted_hosts`."""
    try:
        names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    found = [
        *names.get_values_for_type(x509.DNSName),
        *map(str, names.get_values_for_type(x509.IPAddress)),
    ]
    return sorted_hosts(found)


def sorted_hosts(hosts: Sequence[str]) -> tuple[str, ...]:
    """Spell hosts one way: DNS names in lower case, then addresses, each once and sorted."""
    names, addresses = set(), set()
    for host in hosts:
        try:
            addresses.add(str(ipaddress.ip_address(host)))
        except ValueError:
            names.add(host.lower())
    return (*sorted(names), *sorted(addresses))


def is_signed_by(made: x509.Certificate, signer: x509.Certificate) -> bool:
    """Return whether one certificate signed another, by name and by signature."""
    try:
        made.verify_directly_issued_by(signer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as a PEM file holds it, without a password."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def load_certificate(path: Path) -> x509.Certificate:
    """Read a certificate in PEM; of several, the first.

    Raises
    ------
    ConfigurationError
        If the file cannot be read or holds none.
    """
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error.strerror}); fed-credit provision makes it."
        ) from None
    except ValueError:
        raise ConfigurationError(
            f"{path} is not a certificate in PEM; take it back from a copy."
        ) from None


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read a private EC key in PEM.

    Raises
    ------
    ConfigurationError
        If the file cannot be read or holds none.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error.strerror}); fed-credit provision makes it."
        ) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigurationError(
            f"{path} is not a private EC key in PEM without a password; take it back from a copy."
        )
    return key


def _extensions(
    contents: Contents, key: ec.EllipticCurvePublicKey, signer: ec.EllipticCurvePublicKey
) -> list[tuple[x509.ExtensionType, bool]]:
    """Return the extensions with whether they are critical, as RFC 5280 asks (4.2.1, 4.2.1.12)."""
    is_authority = contents.usage is None
    found: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), True),
        (
            x509.KeyUsage(
                digital_signature=not is_authority,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_authority,
                crl_sign=is_authority,
                encipher_only=False,
                decipher_only=False,
            ),
            True,
        ),
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), False),
    ]
    if contents.usage is not None:
        found.append((x509.ExtendedKeyUsage([contents.usage]), False))
    if contents.hosts:
        names: list[x509.GeneralName] = []
        for host in sorted_hosts(contents.hosts):
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(host)))
            except ValueError:
                names.append(x509.DNSName(host))
        found.append((x509.SubjectAlternativeName(names), False))
    return found
