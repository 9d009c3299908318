"""Prepared loans: read once, mapped from then on, made anew when damaged, settled for a run."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fed_credit.bank import prepare as module
from fed_credit.bank.cache import Prepared
from fed_credit.bank.disk import read_array, write_array
from fed_credit.bank.loans import load_own
from fed_credit.bank.prepare import prepare
from fed_credit.data.book import Part
from fed_credit.errors import DataError, FedCreditError, ReleaseError
from fed_credit.features.preprocessor import Preprocessor, fit_pooled
from fed_credit.training.run_spec import RunSpec


class Node:
    """One bank's machine: prepares its loans, and counts how often the source is read."""

    def __init__(self, homes: Any, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.homes, self.k, self.reads = homes, k, 0
        self.home: Path = homes.path(k)
        self.cache = self.home / "state" / "cache"

        def counted(*arguments: Any) -> Any:
            self.reads += 1
            return load_own(*arguments)

        monkeypatch.setattr(module, "load_own", counted)

    def prepare(self, run: RunSpec, run_id: int = 1) -> Prepared:
        return prepare(self.homes.spec(self.k), run, run_id, self.home)

    def files(self, pattern: str = "*") -> list[Path]:
        return sorted(path for path in self.cache.glob(f"*/{pattern}"))


@pytest.fixture
def node(homes: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Node]:
    return lambda k: Node(homes, k, monkeypatch)


def preprocessor_of(prepared: Prepared, run: RunSpec) -> Preprocessor:
    rows = np.flatnonzero(prepared.parts == Part.TRAIN)
    frame, y = prepared.book.features.iloc[rows], prepared.book.y[rows]
    return fit_pooled(run.features, frame, y, run.preprocessing)


def never() -> np.ndarray:
    raise AssertionError("it should have been kept")


def assert_same(one: Prepared, other: Prepared) -> None:
    assert one.book.institution == other.book.institution
    assert list(one.book.columns) == list(other.book.columns)
    pd.testing.assert_frame_equal(one.book.features, other.book.features, check_exact=True)
    for name in ("y", "exposure"):
        mine, theirs = getattr(one.book, name), getattr(other.book, name)
        assert mine.dtype == theirs.dtype and mine.tobytes() == theirs.tobytes()
    assert one.parts.tobytes() == other.parts.tobytes() and one.parts.dtype == other.parts.dtype
    assert one.book.recipes == other.book.recipes
    assert (one.report, one.warnings) == (other.report, other.warnings)
    assert one.rejected == other.rejected


@pytest.mark.parametrize("k", [0, 1, 2])
def test_what_comes_from_the_disk_is_what_was_read(
    homes: Any, node: Callable[[int], Node], k: int
) -> None:
    bank, run = node(k), homes.run_spec()
    first, again = bank.prepare(run), bank.prepare(run)
    assert bank.reads == 1
    fresh = Prepared.in_memory(load_own(homes.spec(k), run))
    assert_same(first, fresh)
    assert_same(again, fresh)
    preprocessor = preprocessor_of(fresh, run)
    for part in (Part.TRAIN, Part.VALIDATION, Part.TEST):
        matrix = preprocessor.transform(fresh.book.features[fresh.parts == part])
        made = first.matrices(preprocessor.fingerprint, part, lambda m=matrix: m)
        kept = again.matrices(preprocessor.fingerprint, part, never)
        assert made.tobytes() == kept.tobytes() == matrix.tobytes()
        assert kept.dtype == np.float32 and kept.shape == matrix.shape
        before = [path.read_bytes() for path in bank.files("*.npy")]
        kept[:] = 0  # stays in this process
        assert [path.read_bytes() for path in bank.files("*.npy")] == before


def test_only_its_owner_reads_what_a_bank_keeps(homes: Any, node: Callable[[int], Node]) -> None:
    before = os.umask(0o022)
    try:
        bank, run = node(0), homes.run_spec()
        prepared = bank.prepare(run)
        prepared.matrices("p", Part.TRAIN, lambda: np.ones((2, 3), dtype=np.float32))
    finally:
        os.umask(before)
    paths = list((bank.home / "state").rglob("*"))
    assert len([path for path in paths if path.is_file()]) >= 8
    for path in [bank.home / "state", *paths]:
        if path.name != "lock":
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_round_reads_neither_source_nor_book(homes: Any, node: Callable[[int], Node]) -> None:
    bank, run = node(0), homes.run_spec()
    prepared = bank.prepare(run)
    preprocessor = preprocessor_of(prepared, run)
    matrix = preprocessor.transform(prepared.book.features[prepared.parts == Part.TRAIN])
    prepared.matrices(preprocessor.fingerprint, Part.TRAIN, lambda: matrix)
    (bank.home / "loans.csv").unlink()
    (homes.folder / "schema.yaml").rename(homes.folder / "elsewhere.yaml")
    (homes.folder / "elsewhere.yaml").rename(homes.folder / "schema.yaml")
    for path in bank.files("*.parquet"):
        path.unlink()
    again = bank.prepare(run)
    assert bank.reads == 1 and again.book.recipes and len(again.book.y) == len(prepared.book.y)
    assert again.matrices(preprocessor.fingerprint, Part.TRAIN, never).tobytes() == matrix.tobytes()
    with pytest.raises(DataError, match="does not exist"):
        _ = again.book.features


def test_another_question_is_another_entry(homes: Any, node: Callable[[int], Node]) -> None:
    bank, run = node(1), homes.run_spec()
    bank.prepare(run)
    for number, other in enumerate(
        (
            replace(run, seed=run.seed + 1),
            replace(run, features=run.features[1:]),
            homes.run_spec(["data.split.test_share=0.4"]),
            homes.run_spec(["data.target.window_months=6"]),
            homes.run_spec(["data.approved_from=2019-01-01"]),
        )
    ):
        bank.prepare(other, run_id=number + 2)
    assert bank.reads == 6 and len(bank.files("facts.json")) == 6
    # What has no say in which loans it is about, or how they are divided, changes nothing.
    bank.prepare(replace(run, local_epochs=3, rounds=9, proximal_mu=0.5), run_id=8)
    assert bank.reads == 6
    homes.change(1, max_rejected_share=0.9)
    bank.prepare(run)
    assert bank.reads == 7


def test_a_run_asks_about_one_population(homes: Any, node: Callable[[int], Node]) -> None:
    bank, run = node(1), homes.run_spec()
    bank.prepare(run)
    bank.prepare(replace(run, features=run.features[1:]))  # of the same loans
    for other in (
        replace(run, seed=run.seed + 1),
        homes.run_spec(["data.split.test_share=0.4"]),
        homes.run_spec(["data.target.as_of=2023-12-30"]),
        homes.run_spec(["data.approved_from=2018-01-02"]),
    ):
        with pytest.raises(ReleaseError, match="began with another population"):
            bank.prepare(other)
        bank.prepare(other, run_id=other.seed + len(bank.files()))
    bank.prepare(run)


def test_a_new_export_is_read_by_the_next_run_and_not_within_one(
    homes: Any, node: Callable[[int], Node]
) -> None:
    bank, run = node(1), homes.run_spec()
    first = bank.prepare(run, run_id=1)
    path = bank.home / "loans.parquet"
    pd.read_parquet(path).iloc[40:].to_parquet(path)
    assert_same(bank.prepare(run, run_id=1), first)
    assert bank.reads == 1
    newer = bank.prepare(run, run_id=2)
    assert bank.reads == 2 and len(newer.book.y) < len(first.book.y)
    assert_same(bank.prepare(run, run_id=1), first)
    # Without the prepared loans nobody can give the first run what it began with.
    shutil.rmtree(bank.cache)
    with pytest.raises(ReleaseError, match="no longer those that this run began with"):
        bank.prepare(run, run_id=1)
    assert_same(bank.prepare(run, run_id=2), newer)


def test_a_schema_that_changes_is_another_entry_for_the_next_run(
    homes: Any, node: Callable[[int], Node]
) -> None:
    homes.change(1, max_rejected_share=0.9)
    bank, run = node(1), homes.run_spec()
    bank.prepare(run, run_id=1)
    schema = homes.folder / "schema.yaml"
    text = schema.read_text(encoding="utf-8")
    schema.write_text(text.replace("numeric, min: 0, feature", "numeric, min: 90000, feature"))
    assert bank.prepare(run, run_id=1).report.rejected == 2
    assert bank.reads == 1
    assert bank.prepare(run, run_id=2).report.rejected > 20
    assert bank.reads == 2


def test_a_database_is_asked_once_a_run(homes: Any, node: Callable[[int], Node]) -> None:
    bank, run = node(2), homes.run_spec()
    first = bank.prepare(run, run_id=1)
    with sqlite3.connect(bank.home / "loans.db") as connection:
        connection.execute("DELETE FROM loans WHERE rowid < 50")
    assert_same(bank.prepare(run, run_id=1), first)
    assert bank.reads == 1
    assert len(bank.prepare(run, run_id=2).book.y) < len(first.book.y)
    assert bank.reads == 2


def _damage(path: Path, how: str) -> None:
    if how == "gone":
        path.unlink()
        return
    body = bytearray(path.read_bytes())
    if how == "cut off":
        body = body[: len(body) // 2]
    elif how == "empty":
        body.clear()
    else:
        place = {"first": 20, "middle": len(body) // 2, "last": -6}[how]
        body[place] ^= 0x10
    path.write_bytes(bytes(body))


@pytest.mark.parametrize("how", ["gone", "cut off", "empty", "first", "middle", "last"])
@pytest.mark.parametrize(
    "name", ["facts.json", "y.npy", "exposure.npy", "parts.npy", "book.parquet", "*.train.npy"]
)
def test_what_is_damaged_is_made_anew(
    homes: Any, node: Callable[[int], Node], name: str, how: str
) -> None:
    bank, run = node(1), homes.run_spec()
    first = bank.prepare(run)
    matrix = np.arange(12, dtype=np.float32).reshape(3, 4)
    first.matrices("p", Part.TRAIN, lambda: matrix)
    fresh = Prepared.in_memory(load_own(homes.spec(1), run))
    (path,) = bank.files(name)
    _damage(path, how)
    again = bank.prepare(run)
    assert_same(again, fresh)
    assert again.matrices("p", Part.TRAIN, lambda: matrix).tobytes() == matrix.tobytes()
    assert bank.reads == (1 if name == "*.train.npy" else 2)
    # And it is whole again.
    bank.reads = 0
    assert_same(bank.prepare(run), fresh)
    bank.prepare(run).matrices("p", Part.TRAIN, never)
    assert bank.reads == 0


def test_a_damaged_note_of_a_run_is_written_anew(homes: Any, node: Callable[[int], Node]) -> None:
    bank, run = node(1), homes.run_spec()
    first = bank.prepare(run)
    (note,) = (bank.home / "state" / "runs" / "1").glob("loans-*.json")
    note.write_text(json.dumps({"sha256": "0", "facts": {}}))
    assert_same(bank.prepare(run), first)
    assert bank.reads == 1 and "fingerprint" in note.read_text()


def test_an_array_of_another_file_is_not_taken(tmp_path: Path) -> None:
    check = write_array(tmp_path / "a.npy", np.arange(3.0))
    other = write_array(tmp_path / "b.npy", np.arange(4.0))
    assert read_array(tmp_path / "a.npy", check).tolist() == [0, 1, 2]
    with pytest.raises(DataError, match="damaged"):
        read_array(tmp_path / "a.npy", other)


def test_the_least_recently_used_goes_first(homes: Any, node: Callable[[int], Node]) -> None:
    bank, run = node(1), homes.run_spec()
    runs = [replace(run, seed=seed) for seed in range(3)]
    bank.prepare(runs[0])
    size = sum(path.stat().st_size for path in bank.files())
    homes.change(1, node={"cache_gb": 2.5 * size / 1e9})
    bank.prepare(runs[1], run_id=2)
    _ = bank.prepare(runs[0]).book.features
    assert bank.reads == 2
    bank.prepare(runs[2], run_id=3)
    total = sum(path.stat().st_size for path in bank.files())
    assert total <= 2.5 * size
    _ = bank.prepare(runs[0]).book.features
    assert bank.reads == 3
    assert_same(
        bank.prepare(runs[1], run_id=2), Prepared.in_memory(load_own(homes.spec(1), runs[1]))
    )
    assert bank.reads == 4


@pytest.mark.parametrize("cache_gb", [0, 1e-6])
def test_without_room_each_task_reads_anew(
    homes: Any, node: Callable[[int], Node], cache_gb: float
) -> None:
    bank, run = node(1), homes.run_spec()
    homes.change(1, node={"cache_gb": cache_gb})
    fresh = Prepared.in_memory(load_own(homes.spec(1), run))
    for reads in (1, 2):
        prepared = bank.prepare(run)
        assert_same(prepared, fresh)
        assert bank.reads >= reads
    assert sum(path.stat().st_size for path in bank.files()) <= 1000


def test_a_disk_that_takes_nothing_does_not_stop_a_bank(
    homes: Any,
    node: Callable[[int], Node],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bank, run = node(1), homes.run_spec()
    fresh = Prepared.in_memory(load_own(homes.spec(1), run))

    def full(path: Path) -> Any:
        raise FedCreditError(f"{path} cannot be written (No space left on device).")

    for place in ("fed_credit.bank.cache", "fed_credit.bank.disk", "fed_credit.bank.prepare"):
        monkeypatch.setattr(f"{place}.private_file", full)
    assert_same(bank.prepare(run), fresh)
    assert bank.files() == [] or not bank.files("facts.json")
    assert "No space left on device" in caplog.text


def _prepare_in_child(homes: Any, run: RunSpec, results: Any) -> None:
    prepared = prepare(homes.spec(0), run, 1, homes.path(0))
    matrix = np.full((50, 4), 7, dtype=np.float32)
    assert prepared.matrices is not None
    kept = prepared.matrices("p", Part.TRAIN, lambda: matrix)
    results.put((prepared.report.fingerprint, int(prepared.parts.sum()), float(kept.sum())))


def test_tasks_at_the_same_time(homes: Any) -> None:
    context = multiprocessing.get_context("fork")
    run, results = homes.run_spec(), context.Queue()
    children = [
        context.Process(target=_prepare_in_child, args=(homes, run, results)) for _ in range(4)
    ]
    for child in children:
        child.start()
    found = [results.get(timeout=120) for _ in children]
    for child in children:
        child.join(timeout=60)
        assert child.exitcode == 0
    assert len(set(found)) == 1
    entries = [path for path in (homes.path(0) / "state" / "cache").iterdir() if path.is_dir()]
    assert len(entries) == 1
    assert not [path for path in entries[0].iterdir() if path.name.endswith(".part")]


def test_rejected_rows_stay_at_the_bank_with_their_reasons(
    homes: Any, node: Callable[[int], Node]
) -> None:
    bank, run = node(0), homes.run_spec()
    bank.prepare(run, run_id=1)
    bank.prepare(run, run_id=2)
    assert bank.reads == 1
    for number in ("1", "2"):
        found = pd.read_csv(bank.home / "state" / "runs" / number / "rejected_rows.csv")
        assert list(found["row"]) == [6, 18]
        assert list(found["field"]) == ["age", "amount"]
        assert set(found["reason"]) == {"is below the minimum 0"}
    homes.change(0, max_rejected_share=0.001)
    with pytest.raises(DataError, match=r"runs/3/rejected_rows\.csv"):
        bank.prepare(run, run_id=3)
    assert len(pd.read_csv(bank.home / "state" / "runs" / "3" / "rejected_rows.csv")) == 2


def test_a_file_that_changes_while_it_is_read_is_not_taken(
    homes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, home = homes.run_spec(), homes.path(1)

    def slow(*arguments: Any) -> Any:
        loans = load_own(*arguments)
        os.utime(home / "loans.parquet", (1, 1))
        return loans

    monkeypatch.setattr(module, "load_own", slow)
    with pytest.raises(DataError, match=r"loans\.parquet changed while it was read"):
        prepare(homes.spec(1), run, 1, home)
