"""Whether a model's file is whole, and who stands for it: one verdict of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fed_credit.errors import ArtefactError
from fed_credit.model_file.archive import identity, opened
from fed_credit.model_file.signature import Signature, SignatureState, verify
from fed_credit.model_file.unpack import changes, unpacked

_SHOWN = 16  # hexadecimal digits of a key's fingerprint


@dataclass(frozen=True)
class Verdict:
    """What there is to say of a model's file.

    Parameters
    ----------
    where : str
        The file.
    sha256 : str
        Its name for life: the hash of its manifest.
    parts : int
        How many it holds.
    problems : tuple of str
        What is not as the manifest says, or cannot be read; a phrase each.
    signature : Signature
        Of the manifest.
    asked : bool
        Whether a signature by a trusted key was asked for.
    """

    where: str
    sha256: str
    parts: int
    problems: tuple[str, ...]
    signature: Signature
    asked: bool

    @property
    def good(self) -> bool:
        """Whether the file is whole, and its signature not false and by whom it was asked for."""
        state = self.signature.state
        wanted = state is SignatureState.TRUSTED if self.asked else state is not SignatureState.BAD
        return wanted and not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for programs."""
        return {
            "good": self.good,
            "whole": not self.problems,
            "sha256": self.sha256,
            "parts": self.parts,
            "problems": list(self.problems),
            "signature": {**vars(self.signature), "state": str(self.signature.state)},
        }

    def sentences(self) -> list[str]:
        """Say it in words."""
        if self.problems:
            said = [f"{self.where} was changed or damaged:", *(f"- {p}" for p in self.problems)]
        else:
            said = [
                f"{self.where} is whole: its {self.parts} parts are what the manifest says.",
                f"Its name for life, the SHA-256 of the manifest: {self.sha256}",
            ]
        return [*said, self._signed()]

    def _signed(self) -> str:
        found = self.signature
        key = found.key[:_SHOWN]
        if found.state is SignatureState.NONE:
            return (
                "It is not signed: hashes agree with a manifest that anybody can write; compare the"
                " name above with one that reached you another way."
            )
        if found.state is SignatureState.BAD:
            return (
                "Its signature is false: it is not one of this manifest, or was itself changed. Do"
                " not use the file."
            )
        manifest = "The manifest" if self.problems else "It"
        by = f"{manifest} is signed by '{found.signer}' with the key {key}"
        if found.state is SignatureState.TRUSTED:
            return f"{by}, which you trust ({found.trusted_as})."
        return (
            f"{by}, which is none that you named as trusted; whoever signed may call themselves"
            " anything."
        )


def judge(body: bytes, where: str, trusted: Mapping[str, Ed25519PublicKey]) -> Verdict:
    """Look at a model's file.

    Parameters
    ----------
    body : bytes
        The file.
    where : str
        What to call it.
    trusted : mapping of str to Ed25519PublicKey
        Keys that the reader trusts; with any, the file must be signed by one of them.

    Returns
    -------
    Verdict

    Raises
    ------
    ArtefactError
        If it cannot be taken apart at all.
    """
    parts = unpacked(body, where)
    problems = changes(parts)
    if not problems:
        try:
            opened(body, where)
        except ArtefactError as error:  # the hashes agree, and still it is no model
            problems = [str(error).rstrip(".")]
    signature = verify(parts, trusted)
    return Verdict(where, identity(parts), len(parts), tuple(problems), signature, bool(trusted))
