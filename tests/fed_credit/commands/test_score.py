"""``fed-credit score``: as a person calls it, killed, interrupted, and out of space."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fed_credit.cli import main
from fed_credit.data.synthetic import generate
from fed_credit.registry.registry import Registry, Stage

Slow = pytest.mark.slow


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory,
    model_bodies: tuple[bytes, ...],
    make_spec: Callable[..., Any],
) -> Path:
    """A folder with a model, 2,000 loans, and a home whose registry has two versions."""
    folder = tmp_path_factory.mktemp("score")
    (folder / "model.fcm").write_bytes(model_bodies[0])
    loans = generate(make_spec("data=synthetic", "data.generator.num_loans=2000").data.generator)
    for name in loans.columns:
        if isinstance(loans[name].dtype, pd.CategoricalDtype):
            loans[name] = loans[name].astype("str")
    loans.loc[7, "requested_term"] = 600.0
    loans.to_parquet(folder / "loans.parquet", index=False)
    (folder / "home").mkdir()
    with Registry.open(folder / "home" / "registry.db", create=True) as registry:
        for body in model_bodies[:2]:
            registry.register(body, actor="test", reason="made for a test")
    return folder


def repeated(folder: Path, name: str, times: int) -> Path:
    """Write the loans many times over, group by group."""
    table = pq.read_table(folder / "loans.parquet")
    table = pa.concat_tables([table] * 20).combine_chunks()
    with pq.ParquetWriter(folder / name, table.schema) as writer:
        for _ in range(times):
            writer.write_table(table)
    return folder / name


def process(folder: Path, *arguments: str, **how: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fed_credit.cli", "score", *arguments]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how
    )


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob(".*.part"))


def test_a_person_scores_a_table(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = place / "one" / "scored.parquet"
    out.parent.mkdir()
    given = [str(place / "loans.parquet"), "--model", str(place / "model.fcm"), "--out", str(out)]
    assert main(["score", *given]) == 0
    told = capsys.readouterr()
    assert told.err == ""  # no bar where there is no terminal
    assert "2,000 rows: 1,999 scored, 1 rejected." in told.out
    assert "1  requested_term is above the maximum 60" in told.out
    assert main(["score", *given, "--json", "--language", "zh", "--reasons", "all"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert (body["scored"], body["rejected"], body["explained"]) == (1999, 1, 1999)
    assert body["model"]["family"] == "scorecard" and body["model"]["version"] is None
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "scored.parquet", "scored.rejected.csv", "scored.summary.json",
    ]  # fmt: skip
    rejected = pd.read_csv(out.parent / "scored.rejected.csv")
    assert rejected.to_numpy().tolist() == [[8, "requested_term", "is above the maximum 60", 600]]


def test_a_home_scores_by_its_champion(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["score", str(place / "loans.parquet"), "--home", str(place / "home"), "--json"]
    given += ["--out", str(place / "home.csv"), "--reasons", "none"]
    assert main(given) == 2
    assert "has no champion; promote a version" in capsys.readouterr().err
    with Registry.open(place / "home" / "registry.db") as registry:
        registry.move(2, Stage.CHAMPION, actor="test", reason="better")
        hashes = {version.number: version.sha256 for version in registry.versions()}
    assert main(given) == 0
    body = json.loads(capsys.readouterr().out)
    assert (body["model"]["version"], body["model"]["sha256"]) == (2, hashes[2])
    assert main([*given, "--version", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["sha256"] == hashes[1]


def test_what_a_person_gets_wrong_is_one_sentence(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loans, model = str(place / "loans.parquet"), str(place / "model.fcm")
    changed = place / "changed.fcm"
    body = bytearray(Path(model).read_bytes())
    body[len(body) // 2] ^= 1
    changed.write_bytes(body)
    renamed = place / "renamed.parquet"
    pd.read_parquet(loans).rename(columns={"firm_age": "firmage"}).to_parquet(renamed)
    out = ["--out", str(place / "wrong.csv")]
    for arguments, said in (
        ([loans, *out], "Name what scores"),
        ([loans, "--model", model, "--version", "3", *out], "--version names a registered model"),
        ([loans, "--model", str(changed), *out], "changed.fcm"),
        ([loans, "--model", str(place / "none.fcm"), *out], "cannot be read"),
        ([str(place / "none.csv"), "--model", model, *out], "does not exist; check the path"),
        ([model, "--model", model, *out], "model.fcm"),
        ([str(renamed), "--model", model, *out], "Did you mean 'firmage'?"),
        ([loans, "--model", model, "--out", loans], "is the table to be scored"),
        ([loans, "--model", model, *out, "--rejected", out[1]], "name two"),
        ([loans, "--model", model, "--out", str(place / "no" / "a.csv")], "No such file"),
        ([loans, "--model", model, *out, "--config", str(place / "no.yaml")], "no.yaml"),
        (["--model", model, *out], "There is no table to score"),
        ([loans, "--home", str(place / "home"), "--version", "9" * 21, *out], "no version 999"),
        ([loans, "--model", model, *out, "--jobs", "0"], "--jobs 0"),
        ([loans, "--model", model, *out, "--top", str(10**12)], "from 0 to 1000"),
        ([loans, "--model", model, *out, "--rejected", model], "model.fcm is the model"),
        ([loans, "--model", model, *out, "--rejected", "."], "name a file in it"),
    ):
        assert main(["score", *arguments]) == 2, arguments
        told = capsys.readouterr().err
        assert told.startswith("Error: ") and told.count("\n") == 1 and said in told, told
    assert not (place / "wrong.csv").exists() and not parts(place)


def test_no_space_is_said_and_nothing_is_left(place: Path) -> None:
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    out = place / "full.parquet"
    out.write_bytes(b"the old file")
    given = ("loans.parquet", "--model", "model.fcm", "--out", "full.parquet", "--keep", "all")
    done = process(place, *given, preexec_fn=small)
    _, told = done.communicate(timeout=120)
    assert done.returncode == 2 and "full.parquet cannot be written (File too large)" in told
    assert out.read_bytes() == b"the old file" and not parts(place)


@pytest.mark.parametrize("times", [2, pytest.param(30, marks=Slow)], ids=["few", "many"])
def test_a_killed_process_leaves_the_old_files_or_the_new_ones(place: Path, times: int) -> None:
    folder = place / f"killed {times}"
    folder.mkdir()
    for name in ("loans.parquet", "model.fcm"):
        (folder / name).symlink_to(place / name)
    many = repeated(folder, "many.parquet", 1)
    given = [str(many), "--model", str(folder / "model.fcm"), "--chunk-rows", "300"]
    given += ["--out", str(folder / "out.parquet")]
    assert main(["score", *given]) == 0
    names = ("out.parquet", "out.rejected.csv", "out.summary.json")
    new = [(folder / name).read_bytes() for name in names]
    draw, ends = random.Random(3), set()
    for number in range(times):
        for name in names:
            (folder / name).write_bytes(b"old")
        sign = signal.SIGINT if number == 0 else signal.SIGKILL
        running = process(folder, *given)
        _wait(running, lambda: bool(parts(folder)))
        time.sleep(draw.random() * (0.2 if number < 2 else 2.0))
        running.send_signal(sign)
        _, told = running.communicate(timeout=300)
        found = [(folder / name).read_bytes() for name in names]
        for mine, made in zip(found, new, strict=True):
            assert mine in (b"old", made)
        if found[0] != b"old":  # the last one to come says that all are there
            assert found == new
        ends.add(running.returncode)
        if sign is signal.SIGINT:
            assert running.returncode == 130 and "Interrupted." in told
            assert not parts(folder) and found == [b"old"] * 3
    assert -signal.SIGKILL in ends
    assert main(["score", *given]) == 0
    assert [(folder / name).read_bytes() for name in names] == new and not parts(folder)


@Slow
def test_memory_does_not_grow_with_the_table(place: Path) -> None:
    peaks = []
    for name, times in (("short.parquet", 3), ("long.parquet", 60)):
        path = repeated(place, name, times)
        given = (path.name, "--model", "model.fcm", "--out", "o.parquet", "--top", "8")
        done = _peak(place, (*given, "--chunk-rows", "20000", "--jobs", "2"))
        assert pq.read_metadata(place / "o.parquet").num_rows == times * 20 * 1999
        peaks.append(done)
        path.unlink()
    assert peaks[1] < 1.15 * peaks[0], peaks  # 120,000 rows and 2,400,000


def _peak(folder: Path, arguments: Sequence[str]) -> int:
    """Return the most memory that a process had, in KiB."""
    code = (
        "import resource, sys; from fed_credit.cli import main; main(sys.argv[1:]);"
        " print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "score", *arguments],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout.splitlines()[-1])


def _wait(running: subprocess.Popen[str], ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not ready() and running.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_help_comes_quickly_without_the_libraries() -> None:
    code = (
        "import sys; from fed_credit.cli import main\n"
        "try: main(['score', '--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'pandas', 'torch', 'pyarrow', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=os.environ)
