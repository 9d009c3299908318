"""Who stands for a file: keys, signatures, and every way in which one can be false."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fed_credit.errors import ArtefactError, ConfigurationError
from fed_credit.model_file.archive import packed
from fed_credit.model_file.signature import (
    SignatureState,
    load_private,
    load_public,
    load_trusted,
    make_key,
    sign,
    verify,
)
from fed_credit.model_file.unpack import MANIFEST, SIGNATURE
from fed_credit.model_file.verdict import judge


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "mine"
    make_key(folder, "ops")
    make_key(folder, "other")
    return folder


@pytest.fixture
def signed(model_run: Any, keys: Path) -> dict[str, bytes]:
    return sign(model_run.opened.parts, load_private(keys / "ops.key"), "Model risk 银行")


def state(parts: dict[str, bytes], *trusted: Path) -> SignatureState:
    return verify(parts, load_trusted(trusted)).state


def test_a_signature_by_key(signed: dict[str, bytes], keys: Path, model_run: Any) -> None:
    assert state(signed, keys / "ops.pub") is SignatureState.TRUSTED
    assert state(signed, keys / "other.pub", keys / "ops.pub") is SignatureState.TRUSTED
    assert state(signed, keys / "other.pub") is SignatureState.UNKNOWN
    assert state(signed) is SignatureState.UNKNOWN
    assert state(dict(model_run.opened.parts), keys / "ops.pub") is SignatureState.NONE
    found = verify(signed, load_trusted([keys / "ops.pub"]))
    assert found.signer == "Model risk 银行" and found.trusted_as.endswith("ops.pub")
    assert len(found.key) == 64


def test_the_file_s_name_for_life_does_not_depend_on_who_signs(
    signed: dict[str, bytes], model_run: Any, keys: Path
) -> None:
    again = sign(signed, load_private(keys / "other.key"), "Somebody else")
    for parts in (signed, again):
        verdict = judge(packed(parts), "x", {})
        assert verdict.sha256 == model_run.opened.sha256 and verdict.good
    assert state(again, keys / "other.pub") is SignatureState.TRUSTED
    assert state(again, keys / "ops.pub") is SignatureState.UNKNOWN


def _changed(**keys: Any) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    def change(parts: dict[str, bytes]) -> dict[str, bytes]:
        body = {**json.loads(parts[SIGNATURE]), **keys}
        body = {key: value for key, value in body.items() if value is not None}
        return {**parts, SIGNATURE: json.dumps(body).encode()}

    return change


@pytest.mark.parametrize(
    "change",
    [
        _changed(signer="The regulator"),
        _changed(signature="00" * 64),
        _changed(signature="zz"),
        _changed(signature=None),
        _changed(public_key="00" * 32),
        _changed(public_key="ab"),
        _changed(algorithm="none"),
        _changed(extra=1),
        _changed(signer="two\nlines"),
        lambda parts: {**parts, SIGNATURE: b"not json"},
        lambda parts: {**parts, SIGNATURE: b"[" * 3000},
        lambda parts: {**parts, MANIFEST: parts[MANIFEST] + b" "},
    ],
)
def test_a_false_signature(
    change: Callable[[dict[str, bytes]], dict[str, bytes]], signed: dict[str, bytes], keys: Path
) -> None:
    parts = change(signed)
    assert state(parts, keys / "ops.pub") is SignatureState.BAD
    verdict = judge(packed(parts), "x.fcm", {})
    assert not verdict.good and "signature is false" in " ".join(verdict.sentences())


def test_another_file_s_signature_does_not_fit(signed: dict[str, bytes]) -> None:
    other = {**signed, MANIFEST: signed[MANIFEST].replace(b"loan_risk", b"scorecard")}
    assert state(other) is SignatureState.BAD


def test_a_changed_part_under_a_good_signature(signed: dict[str, bytes], keys: Path) -> None:
    parts = {**signed, "policy.json": signed["policy.json"] + b" ", "more.txt": b"x"}
    verdict = judge(packed(parts), "x.fcm", load_trusted([keys / "ops.pub"]))
    assert not verdict.good and verdict.signature.state is SignatureState.TRUSTED
    text = "\n".join(verdict.sentences())
    assert "'policy.json' is not what the manifest says" in text
    assert "'more.txt' was added" in text and "The manifest is signed by" in text
    with pytest.raises(ArtefactError, match="is not signed"):
        sign(parts, load_private(keys / "ops.key"), "ops")


def test_a_manifest_written_anew_over_a_changed_part_loses_the_signature(
    signed: dict[str, bytes], keys: Path
) -> None:
    import hashlib

    policy = signed["policy.json"].replace(b'"reasons": 4', b'"reasons": 1')
    assert policy != signed["policy.json"]
    manifest = json.loads(signed[MANIFEST])
    manifest["files"]["policy.json"] = hashlib.sha256(policy).hexdigest()
    forged = {**signed, "policy.json": policy, MANIFEST: json.dumps(manifest).encode()}
    verdict = judge(packed(forged), "x.fcm", load_trusted([keys / "ops.pub"]))
    assert verdict.problems == () and verdict.signature.state is SignatureState.BAD
    assert not verdict.good


def test_what_is_asked_for_decides(signed: dict[str, bytes], model_run: Any, keys: Path) -> None:
    plain, body = packed(model_run.opened.parts), packed(signed)
    ops, other = load_trusted([keys / "ops.pub"]), load_trusted([keys / "other.pub"])
    said = {
        (name, who): judge(part, "x.fcm", trusted).good
        for name, part in (("plain", plain), ("signed", body))
        for who, trusted in (("nobody", {}), ("ops", ops), ("other", other))
    }
    assert said == {
        ("plain", "nobody"): True,
        ("plain", "ops"): False,
        ("plain", "other"): False,
        ("signed", "nobody"): True,
        ("signed", "ops"): True,
        ("signed", "other"): False,
    }


def test_a_key_pair_is_its_owner_s_and_is_never_written_over(tmp_path: Path) -> None:
    private, public, digest = make_key(tmp_path / "new", "ops-2026")
    assert private.stat().st_mode & 0o777 == 0o600
    assert (
        load_public(public).public_bytes_raw()
        == load_private(private).public_key().public_bytes_raw()
    )
    assert len(digest) == 64 and b"PRIVATE" not in public.read_bytes()
    with pytest.raises(ConfigurationError, match="choose another --name"):
        make_key(tmp_path / "new", "ops-2026")


@pytest.mark.parametrize("name", ["", "../x", "a/b", "-x", "x" * 70, "名"])
def test_names_that_cannot_name_a_key(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--name"):
        make_key(tmp_path, name)
    assert not any(tmp_path.iterdir())


def test_keys_of_another_kind(tmp_path: Path, keys: Path) -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1())
    pem = elliptic.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    locked = load_private(keys / "ops.key").private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"word"),
    )
    for body in (pem, locked, b"", b"nonsense"):
        path = tmp_path / "x.key"
        path.write_bytes(body)
        path.chmod(0o600)
        with pytest.raises(ConfigurationError, match="no private key"):
            load_private(path)
    with pytest.raises(ConfigurationError, match="no public key"):
        load_public(keys / "ops.key")
    with pytest.raises(ConfigurationError, match="check the path"):
        load_public(tmp_path / "none.pub")


def test_a_private_key_that_others_can_read(keys: Path, tmp_path: Path) -> None:
    path = tmp_path / "open.key"
    path.write_bytes((keys / "ops.key").read_bytes())
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        load_private(path)


@pytest.mark.parametrize("signer", ["", "two\nlines", "\x1b[31m", "x" * 300])
def test_signers_that_cannot_be_shown(signer: str, model_run: Any, keys: Path) -> None:
    with pytest.raises(ConfigurationError, match="--signer"):
        sign(model_run.opened.parts, load_private(keys / "ops.key"), signer)
