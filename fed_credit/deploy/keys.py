"""Keys by which a bank's node proves who it is: EC P-384, as Flower reads them.

The private half belongs to the bank. Best it is made there (``fed-credit bank key``) and only the
public half is handed over.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fed_credit.deploy.kit_files import PUBLIC, SECRET, put
from fed_credit.errors import ConfigurationError

KEY_FILE = "node.key"
PUBLIC_FILE = "node.pub"
FORMER_KEY_FILE = "node.key.old"

_KINDS = ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")


def make_node_key(home: Path) -> str:
    """Make a key pair: ``node.key``, for its owner alone, and ``node.pub``.

    Files that are there are replaced, the private half first: of a call that was interrupted
    between the two, :func:`public_half` can make the public one.

    Parameters
    ----------
    home : Path
        The bank's home folder; made if it is not there.

    Returns
    -------
    str
        The public key: OpenSSH text of two words.

    Raises
    ------
    FedCreditError
        If the files cannot be written.
    """
    key = ec.generate_private_key(ec.SECP384R1())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    put(home / KEY_FILE, private, SECRET)
    line = _line(key.public_key())
    write_public(home, line)
    return line


def keep_or_make(home: Path, *, replace: bool) -> tuple[str, bool]:
    """Make a key pair unless there is one.

    Parameters
    ----------
    home : Path
        The bank's home folder; made if it is not there.
    replace : bool
        Make a new one all the same; the old private key is kept as ``node.key.old``, so that the
        bank can go back to it until the operator has registered the new one.

    Returns
    -------
    str
        The public key: OpenSSH text of two words.
    bool
        Whether it was made now.

    Raises
    ------
    FedCreditError
        If a key that is there cannot be read, or the files cannot be written.
    """
    private = home / KEY_FILE
    if not private.is_file():
        return make_node_key(home), True
    line = public_half(private)
    body = private.read_bytes()
    if replace:
        put(home / FORMER_KEY_FILE, body, SECRET)
        return make_node_key(home), True
    put(private, body, SECRET)
    write_public(home, line)
    return line, False


def write_public(home: Path, public_key: str) -> bool:
    """Write ``node.pub``; return whether it changed."""
    return put(home / PUBLIC_FILE, f"{public_key}\n".encode(), PUBLIC)


def public_half(path: Path) -> str:
    """Return the public key of a private one.

    Parameters
    ----------
    path : Path
        ``node.key``.

    Returns
    -------
    str
        OpenSSH text of two words.

    Raises
    ------
    ConfigurationError
        If the file cannot be read or is no private key of a node.
    """
    try:
        key = serialization.load_ssh_private_key(_read(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigurationError(
            f"{path} is not a private key as fed-credit bank key makes it; take it back from a"
            " copy, or move it away and make a new one."
        )
    return _line(key.public_key())


def read_public_key(path: Path) -> str:
    """Read a public key that a bank handed over.

    Parameters
    ----------
    path : Path
        ``node.pub``; a comment after the key is left aside.

    Returns
    -------
    str
        OpenSSH text of two words.

    Raises
    ------
    ConfigurationError
        If the file cannot be read or is not the public key of a node.
    """
    body = _read(path)
    if b"PRIVATE KEY" in body:
        raise ConfigurationError(
            f"{path} is a private key, which must not leave the bank; let the bank make a new pair"
            " and hand over node.pub."
        )
    try:
        key = serialization.load_ssh_public_key(body.strip())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or (line := _line(key)).split()[0] not in (
        _KINDS
    ):
        raise ConfigurationError(
            f"{path} is not a public key as fed-credit bank key makes it; ask the bank for its"
            " node.pub."
        )
    return line


def fingerprint(public_key: str) -> str:
    """Return what two people compare over the telephone, as ``ssh-keygen -l`` shows it.

    Parameters
    ----------
    public_key : str
        OpenSSH text.

    Returns
    -------
    str
        ``SHA256:`` and 43 signs of Base64.
    """
    digest = hashlib.sha256(base64.b64decode(public_key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _line(key: ec.EllipticCurvePublicKey) -> str:
    return key.public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    ).decode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error.strerror}); check the path."
        ) from None
