"""Who stands for a model's file: Ed25519 (RFC 8032) over its manifest, and so over every part.

The signer's name is signed too, but says only what the signer calls themselves; who they are, the
key says, to those who have it from them by a way they trust.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fed_credit.errors import ArtefactError, ConfigurationError
from fed_credit.files import replacing
from fed_credit.model_file.unpack import MANIFEST, SIGNATURE, changes

ALGORITHM = "Ed25519"
PRIVATE, PUBLIC = ".key", ".pub"
"""How the files of a key pair end."""

# What is signed is no message of anything else that the key may sign.
_PURPOSE = b"fed-credit model file 1\x00"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LONGEST_SIGNER = 200


class SignatureState(StrEnum):
    """What a signature says."""

    NONE = "none"
    TRUSTED = "trusted"
    UNKNOWN = "unknown"
    BAD = "bad"


@dataclass(frozen=True)
class Signature:
    """A model's signature, checked.

    Parameters
    ----------
    state : SignatureState
        ``none`` where there is none, ``bad`` where it is not one of this manifest, ``trusted`` or
        ``unknown`` by the key.
    signer : str
        What the signer calls themselves.
    key : str
        Fingerprint of the key; see :func:`fingerprint`.
    trusted_as : str
        What the reader calls the key; empty unless trusted.
    """

    state: SignatureState
    signer: str = ""
    key: str = ""
    trusted_as: str = ""


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return the SHA-256 of a public key's 32 bytes, for people to compare."""
    return hashlib.sha256(_raw(key)).hexdigest()


def make_key(folder: Path, name: str) -> tuple[Path, Path, str]:
    """Make a key pair: ``NAME.key``, for its owner alone, and ``NAME.pub``.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    name : str
        Of the files.

    Returns
    -------
    (Path, Path, str)
        The private and the public file, and the key's fingerprint.

    Raises
    ------
    ConfigurationError
        If the name cannot be one, or there is such a key already.
    FedCreditError
        If a file cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"--name {name!r} cannot name a key; use letters, digits, dots, dashes and underscores."
        )
    private, public = folder / f"{name}{PRIVATE}", folder / f"{name}{PUBLIC}"
    for path in (private, public):
        if path.exists():
            raise ConfigurationError(f"{path} is there already; choose another --name.")
    key = Ed25519PrivateKey.generate()
    body = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with replacing(private) as temporary:
        number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "wb") as file:
            file.write(body)
    with replacing(public) as temporary:
        temporary.write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
    return private, public, fingerprint(key.public_key())


def load_private(path: Path) -> Ed25519PrivateKey:
    """Read a private key.

    Raises
    ------
    ConfigurationError
        If it is none of Ed25519, is locked by a password, or others can read it.
    """
    body = _read(path)
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigurationError(
            f"Key {path} can be read by others; make it its owner's alone with chmod 600, and think"
            " about a new one."
        )
    try:
        key = serialization.load_pem_private_key(body, None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            f"{path} is no private key of {ALGORITHM} in PEM without a password; make one with"
            " fed-credit model keygen."
        )
    return key


def load_public(path: Path) -> Ed25519PublicKey:
    """Read a public key.

    Raises
    ------
    ConfigurationError
        If it is none of Ed25519.
    """
    try:
        key = serialization.load_pem_public_key(_read(path))
    except (TypeError, ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(
            f"{path} is no public key of {ALGORITHM} in PEM; name the file that ends in {PUBLIC}."
        )
    return key


def load_trusted(paths: Sequence[Path]) -> dict[str, Ed25519PublicKey]:
    """Read the public keys that a reader trusts, by the names of their files."""
    return {str(path): load_public(path) for path in paths}


def sign(parts: Mapping[str, bytes], key: Ed25519PrivateKey, signer: str) -> dict[str, bytes]:
    """Sign a model's file.

    Parameters
    ----------
    parts : mapping of str to bytes
        By name; a signature that is there is replaced.
    key : Ed25519PrivateKey
        The signer's.
    signer : str
        What they call themselves.

    Returns
    -------
    dict of str to bytes
        The parts with the signature.

    Raises
    ------
    ArtefactError
        If the parts are not what the manifest says: nobody should stand for such a file.
    ConfigurationError
        If the name cannot be shown.
    """
    problems = changes(parts)
    if problems:
        raise ArtefactError(f"The model was changed or damaged ({problems[0]}) and is not signed.")
    if not signer.isprintable() or not 0 < len(signer) <= _LONGEST_SIGNER:
        raise ConfigurationError("--signer must be printable text on one line, not empty.")
    body = {
        "algorithm": ALGORITHM,
        "signer": signer,
        "public_key": _raw(key.public_key()).hex(),
        "signature": key.sign(_message(parts[MANIFEST], signer)).hex(),
    }
    text = json.dumps(body, indent=1, ensure_ascii=False) + "\n"
    return {**parts, SIGNATURE: text.encode()}


def verify(parts: Mapping[str, bytes], trusted: Mapping[str, Ed25519PublicKey]) -> Signature:
    """Check the signature of a model's manifest; whether the parts are the manifest's is
    :func:`~fed_credit.model_file.unpack.changes`' to say.

    Parameters
    ----------
    parts : mapping of str to bytes
        By name.
    trusted : mapping of str to Ed25519PublicKey
        Keys that the reader trusts, by what they call them.

    Returns
    -------
    Signature
    """
    if SIGNATURE not in parts:
        return Signature(SignatureState.NONE)
    try:
        body = json.loads(parts[SIGNATURE])
        signer, public = str(body["signer"]), bytes.fromhex(body["public_key"])
        if set(body) != {"algorithm", "signer", "public_key", "signature"}:
            raise ValueError
        if body["algorithm"] != ALGORITHM or not signer.isprintable():
            raise ValueError
        key = Ed25519PublicKey.from_public_bytes(public)
        key.verify(bytes.fromhex(body["signature"]), _message(parts[MANIFEST], signer))
    except (
        AttributeError,
        InvalidSignature,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ):
        return Signature(SignatureState.BAD)
    known = next((name for name, other in trusted.items() if _raw(other) == public), "")
    state = SignatureState.TRUSTED if known else SignatureState.UNKNOWN
    return Signature(state, signer[:_LONGEST_SIGNER], fingerprint(key), known)


def _message(manifest: bytes, signer: str) -> bytes:
    return _PURPOSE + signer.encode() + b"\x00" + manifest


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(2**16)
    except OSError as error:
        raise ConfigurationError(
            f"Key {path} cannot be read ({error.strerror or error}); check the path."
        ) from None
