"""A model's file: what was written is read, equal runs leave equal bytes, forgeries are seen."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fed_credit.config.load import compose
from fed_credit.errors import ArtefactError
from fed_credit.model_file import unpack
from fed_credit.model_file.archive import (
    Opened,
    identity,
    open_model_file,
    opened,
    packed,
    parts_of,
    write_model_file,
)
from fed_credit.model_file.unpack import MANIFEST, changes, unpacked
from fed_credit.simulate import simulate

Repack = Callable[[str, bytes], bytes | None]


def repacked(body: bytes, change: Repack, **added: bytes) -> bytes:
    """Pack a file's parts again, changed, left out or with others, and leave the manifest."""
    parts = {name: change(name, part) for name, part in unpacked(body, "x").items()}
    kept = {name: part for name, part in parts.items() if part is not None}
    return packed({**kept, **added})


def same(name: str, part: bytes) -> bytes:
    return part


def refused(body: bytes) -> str:
    with pytest.raises(ArtefactError) as raised:
        opened(body, "given.fcm")
    text = str(raised.value)
    assert "given.fcm" in text and "\n" not in text and len(text) < 400
    return text


def test_what_was_written_is_read(model_run: Any, tmp_path: Path) -> None:
    file = model_run.opened
    again = write_model_file(tmp_path / "again.fcm", file.model)
    assert again.body == file.body and again.sha256 == file.sha256
    assert file.sha256 == identity(file.parts)
    read = open_model_file(tmp_path / "again.fcm").model
    assert read.schema == file.model.schema and read.policy == file.model.policy
    assert read.calibration == file.model.calibration
    assert read.artefact.sha256 == model_run.result.model.sha256
    for name in ("evaluation", "provenance", "reference"):
        assert getattr(read, name) == getattr(file.model, name)


def test_every_part_is_readable_and_none_is_a_pickle(model_run: Any) -> None:
    parts = model_run.opened.parts
    for name, part in parts.items():
        if name.endswith(".json"):
            json.loads(part)
        elif not name.endswith(".safetensors"):
            part.decode()
    assert {"schema.yaml", "policy.json", "card.zh.md", "model/manifest.json"} <= set(parts)


@pytest.fixture
def equal_run(tmp_path: Path, tiny_overrides: list[str]) -> list[str]:
    """What :func:`model_run` ran, in another folder."""
    given = ["data.generator.num_loans=2500", "evaluation.baselines=[local]"]
    return [*tiny_overrides, *given, f"run_dir='{tmp_path / 'elsewhere'}'"]


def test_equal_runs_leave_equal_bytes(model_run: Any, equal_run: list[str], tmp_path: Path) -> None:
    simulate(compose(equal_run), show=False)
    assert (tmp_path / "elsewhere" / "model.fcm").read_bytes() == model_run.opened.body


@pytest.mark.slow
def test_equal_runs_leave_equal_bytes_whatever_the_hash_seed(
    model_run: Any, equal_run: list[str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fed_credit.cli", "simulate", *equal_run],
        cwd=tmp_path,
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "elsewhere" / "model.fcm").read_bytes() == model_run.opened.body


def test_a_resumed_run_leaves_the_same_file(model_run: Any) -> None:
    before = model_run.opened.body
    folder = model_run.result.run_dir
    model_run.path.unlink()
    simulate(replace(model_run.spec, resume=str(folder)), show=False)
    assert model_run.path.read_bytes() == before


@pytest.mark.parametrize(
    "part", ["policy.json", "schema.yaml", "model/model.json", "card.en.md", "evaluation.json"]
)
def test_a_changed_part_is_named(model_run: Any, part: str) -> None:
    body = repacked(model_run.opened.body, lambda n, p: p + b" " if n == part else p)
    assert f"'{part}' is not what the manifest says" in refused(body)


def test_a_missing_and_an_added_part_are_named(model_run: Any) -> None:
    body = model_run.opened.body
    less = repacked(body, lambda n, p: None if n == "policy.json" else p)
    assert "'policy.json' is missing" in refused(less)
    more = repacked(body, same, **{"extra.py": b"print()"})
    assert "'extra.py' was added" in refused(more)
    both = repacked(body, lambda n, p: None if n == "policy.json" else p, **{"z": b""})
    assert len(changes(unpacked(both, "x"))) == 2


def test_a_part_that_holds_to_a_new_manifest_must_still_make_sense(model_run: Any) -> None:
    """Whoever writes the hashes anew gets no further than what the parts themselves allow."""
    import hashlib

    def forged(**changed: bytes) -> bytes:
        parts = {**model_run.opened.parts, **changed}
        manifest = json.loads(parts[MANIFEST])
        for name in changed:
            manifest["files"][name] = hashlib.sha256(changed[name]).hexdigest()
        return packed({**parts, MANIFEST: json.dumps(manifest).encode()})

    deep = b"[" * 200_000
    for name, part in (
        ("policy.json", b"{}"),
        ("policy.json", deep),
        ("calibration.json", b"not json"),
        ("evaluation.json", deep),
        ("schema.yaml", b"fields: {a: {kind: magic}}"),
        ("schema.yaml", b"\xff\xfe"),
        ("model/model.json", b"{}"),
        ("model/weights.safetensors", b"\0" * 40),
    ):
        assert "cannot be read" in refused(forged(**{name: part})) or name.startswith("model/")


@pytest.mark.parametrize(
    "manifest",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"format": 99, "files": {}}',
        b'{"format": 1, "files": 3}',
        b"[" * 10**5,
    ],
)
def test_a_manifest_that_says_nothing(model_run: Any, manifest: bytes) -> None:
    body = repacked(model_run.opened.body, lambda n, p: manifest if n == MANIFEST else p)
    assert "manifest.json" in refused(body) or "format" in refused(body)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_cut_off_file(model_run: Any, share: float) -> None:
    body = model_run.opened.body
    assert "copy it again" in refused(body[: int(len(body) * share)])


def test_no_byte_can_be_changed_unnoticed_to_another_model(model_run: Any) -> None:
    body = bytearray(model_run.opened.body)
    rng = np.random.default_rng(4)
    for place in rng.integers(0, len(body), 150).tolist():
        body[place] ^= 0x55
        try:
            found: Opened = opened(bytes(body), "given.fcm")
        except ArtefactError as error:
            assert "\n" not in str(error)
        else:  # a byte that no part lies under, such as a time in the zip
            assert found.parts == model_run.opened.parts
        body[place] ^= 0x55


def zipped(entries: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out, twice = io.BytesIO(), len({name for name, _ in entries}) < len(entries)
    warned: AbstractContextManager[Any] = pytest.warns(UserWarning) if twice else nullcontext()
    with zipfile.ZipFile(out, "w", method) as archive, warned:
        for name, part in entries:
            archive.writestr(name, part)
    return out.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        "../policy.json",
        "/etc/passwd",
        "model/../../x",
        "C:\\x",
        "a\\..\\b",
        "model//x",
        ".hidden",
        "name with blanks",
        "名字",
        "x" * 250,
        "model/",
    ],
)
def test_names_that_lead_elsewhere(name: str) -> None:
    assert "as none of a model is" in refused(zipped([(MANIFEST, b"{}"), (name, b"x")]))


def test_a_name_that_python_would_cut() -> None:
    body = zipped([(MANIFEST, b"{}"), ("policy.jsonXabc", b"x")])
    assert "as none of a model" in refused(body.replace(b"policy.jsonXabc", b"policy.json\0abc"))


def test_a_part_twice() -> None:
    entries = [(MANIFEST, b"{}"), ("policy.json", b"1"), ("policy.json", b"2")]
    assert "twice" in refused(zipped(entries))


def test_too_many_parts() -> None:
    assert "256 parts" in refused(zipped([(f"p{k}", b"") for k in range(300)]))


def test_a_directory_that_claims_few_parts_and_is_huge() -> None:
    body = bytearray(zipped([(f"p{k}", b"") for k in range(9000)]))
    struct.pack_into("<HH", body, body.rfind(b"PK\5\6") + 8, 1, 1)
    assert "256 parts" in refused(bytes(body))


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "_LARGEST", 2**22)
    bomb = zipped([("a", b"\0" * 2**21), ("b", b"\0" * 2**21), ("c", b"\0" * 2**21)])
    assert len(bomb) < 2**14
    assert "part 'c', which is larger unpacked" in refused(bomb)


def test_a_bomb_that_claims_to_be_small() -> None:
    """Sizes in the directory are a claim; what counts is what is read."""
    body = zipped([(MANIFEST, b"\0" * 2**22)])
    lying = body.replace(struct.pack("<L", 2**22), struct.pack("<L", 100))
    assert len(lying) == len(body) and lying != body
    refused(lying)
    assert "larger unpacked" in refused(body)


def test_other_files_of_the_kind(tmp_path: Path) -> None:
    assert "manifest.json" in refused(zipped([("a.txt", b"hello")]))
    assert "packed in a way" in refused(zipped([(MANIFEST, b"{}")], zipfile.ZIP_LZMA))
    refused(b"")
    refused(b"PK\5\6" + b"\0" * 18)
    refused(os.urandom(3000))
    encrypted = bytearray(zipped([(MANIFEST, b"{}")]))
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        encrypted[encrypted.find(mark) + offset] |= 1
    assert "encrypted" in refused(bytes(encrypted))


def test_a_file_that_is_not_there_or_too_large(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="check the path"):
        open_model_file(tmp_path / "none.fcm")
    with pytest.raises(ArtefactError, match="check the path"):
        open_model_file(tmp_path)
    with (tmp_path / "large.fcm").open("wb") as file:
        file.truncate(2**28 + 1)
    with pytest.raises(ArtefactError, match="larger than 256 MiB"):
        open_model_file(tmp_path / "large.fcm")


def test_a_file_is_written_in_one_step(model_run: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.fcm"
    path.write_bytes(b"the old one")
    write_model_file(path, model_run.opened.model)
    assert path.read_bytes() == model_run.opened.body
    assert [p.name for p in tmp_path.iterdir()] == ["model.fcm"]


@pytest.mark.parametrize(
    "family",
    [
        "scorecard",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("gbdt", "tree", "logreg_exact")),
    ],
)
def test_every_family_comes_back(family: str, tmp_path: Path, tiny_overrides: list[str]) -> None:
    run = [text for text in tiny_overrides if not text.startswith("model")]
    spec = compose(
        [*run, f"model={family}", "evaluation.baselines=[]", f"run_dir='{tmp_path / 'run'}'"]
    )
    result = simulate(spec, show=False)
    read = open_model_file(tmp_path / "run" / "model.fcm")
    assert read.model.artefact.sha256 == result.model.sha256
    assert parts_of(read.model) == {n: p for n, p in read.parts.items()}
