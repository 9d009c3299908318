"""Databases by file and by address: what is made, what is refused, in one sentence each."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from fed_credit.decision_log.log import DecisionLog
from fed_credit.decision_log.records import Decision
from fed_credit.decision_log.tables import LAYOUT as LOG
from fed_credit.errors import ConfigurationError, StorageError
from fed_credit.registry.tables import LAYOUT as REGISTRY
from fed_credit.storage.clock import LENGTH, now, utc
from fed_credit.storage.database import Database

if TYPE_CHECKING:
    from tests.conftest import Postgres


def test_a_new_file_is_the_owners_alone_and_no_other_is_left(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "registry.db"
    opened = closing(Database.open(file, REGISTRY, create=True))
    with opened as database, database.writing() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        names = sorted(path.name for path in file.parent.iterdir())
        assert set(names) <= {
            "registry.db",
            "registry.db-lock",
            "registry.db-shm",
            "registry.db-wal",
        }
        for name in names:
            assert stat.S_IMODE((file.parent / name).stat().st_mode) == 0o600, name


@pytest.mark.parametrize("write", [str, lambda path: path, lambda path: f"sqlite:///{path}"])
def test_a_file_can_be_named_in_three_ways(tmp_path: Path, write: object) -> None:
    assert callable(write)
    where = write(tmp_path / "a.db")
    Database.open(where, LOG, create=True).close()
    Database.open(tmp_path / "a.db", LOG).close()


def test_two_parts_share_a_file(tmp_path: Path) -> None:
    file = tmp_path / "both.db"
    Database.open(file, LOG, create=True).close()
    with pytest.raises(StorageError, match="holds no registry"):
        Database.open(file, REGISTRY)
    Database.open(file, REGISTRY, create=True).close()
    Database.open(file, REGISTRY).close()
    Database.open(file, LOG).close()


def test_what_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="does not exist; check the path"):
        Database.open(tmp_path / "none.db", LOG)
    assert not list(tmp_path.iterdir())


def test_another_format_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    Database.open(file, LOG, create=True).close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE fed_credit_formats SET format = 9")
    with pytest.raises(StorageError, match="format 9, and this version of Fed Credit reads 1"):
        Database.open(file, LOG)


def test_what_is_no_database_is_damaged(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    file.write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(StorageError, match="is damaged, or no database"):
        Database.open(file, LOG, create=True)


def test_a_file_that_was_removed_or_replaced_is_neither_read_nor_written_on(
    tmp_path: Path,
) -> None:
    """SQLite itself would go on in the file that nobody finds again, and say that all is well."""
    file, aside = tmp_path / "decisions.db", tmp_path / "aside.db"
    decision = Decision(
        id="a",
        time=now(),
        application=None,
        model=1,
        model_sha256="f" * 64,
        inputs={},
        model_pd=0.1,
        pd=0.1,
        score=500,
        grade="B",
        verdict="approve",
        reasons=(),
        key="k1",
        shadow=None,
    )
    with DecisionLog.open(file, create=True) as log:
        log.append([decision])
        file.rename(aside)
        for use in (lambda: log.append([replace(decision, id="b")]), log.counts):
            with pytest.raises(StorageError, match="was removed or replaced while it was in use"):
                use()
        shutil.copy(aside, file)
        with pytest.raises(StorageError, match="was removed or replaced while it was in use"):
            log.check_writable()
        aside.replace(file)  # the file itself is back
        log.append([replace(decision, id="b")])
    with DecisionLog.open(file) as log:
        assert log.counts()["decisions"] == 2 and log.verify() == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+psycopg://me:secret@db/credit", "holds a password"),
        ("postgresql+psycopg://db/credit?password=secret", "holds a password"),
        ("mysql://db/credit", "no address of a database"),
        ("ftp://db", "no address of a database"),
        ("://", "no address of a database"),
    ],
)
def test_addresses_that_cannot_be_used(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        Database.open(url, LOG)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StorageError, match=r"cannot be reached \(.*check host and port"):
        Database.open("postgresql+psycopg://127.0.0.1:9/credit", LOG)


def test_a_wrong_password_is_not_repeated(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.sign_in(monkeypatch)
    monkeypatch.setenv("FED_CREDIT_DB_PASSWORD", "wrong-secret")
    with pytest.raises(StorageError, match="refuses the user or the password") as caught:
        Database.open(postgres.url, LOG)
    assert "wrong-secret" not in str(caught.value)


AtOnce = Callable[[Sequence[Callable[[], Any]]], list[Any]]


def make_and_verify(where: str) -> list[str]:
    with DecisionLog.open(where, create=True) as log:
        return log.verify()


def test_several_processes_make_one_file(tmp_path: Path, at_once: AtOnce) -> None:
    for number in range(3):
        where = str(tmp_path / f"{number}.db")
        assert at_once([partial(make_and_verify, where)] * 4) == [[]] * 4
    assert not list(tmp_path.glob(".*"))


def test_several_processes_make_the_tables_of_one_server(schema: str, at_once: AtOnce) -> None:
    assert at_once([partial(make_and_verify, schema)] * 4) == [[]] * 4


def test_times_sort_as_text() -> None:
    assert len(now()) == LENGTH
    assert utc("before", "2024-06-30") == "2024-06-30T00:00:00.000000Z"
    assert utc("before", "2024-06-30T02:00:00+08:00") == "2024-06-29T18:00:00.000000Z"
    assert utc("before", "2024-06-30T12:00:00Z") == "2024-06-30T12:00:00.000000Z"
    with pytest.raises(ConfigurationError, match="'last week' is no date or time"):
        utc("before", "last week")
