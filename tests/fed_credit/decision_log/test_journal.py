"""What was answered ahead of the log comes into it, once, whatever became of who answered."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fed_credit.decision_log import journal as journals
from fed_credit.decision_log.journal import Journal, completed
from fed_credit.decision_log.log import Decision, DecisionLog
from fed_credit.decision_log.records import decision_row, new_id
from fed_credit.errors import StorageError
from fed_credit.storage.clock import now

_CODE = """
import sys
from pathlib import Path
from fed_credit.decision_log.journal import Journal
from fed_credit.decision_log.log import Decision
from fed_credit.decision_log.records import decision_row, new_id
from fed_credit.storage.clock import now
journal = Journal(Path(sys.argv[1]))
for k in range(int(sys.argv[2])):
    one = Decision(new_id(), now(), f"A-{k}", 1, "0" * 64, {"a": k}, .1, .2, 600, "A", "approve",
                   (), "k", None)
    assert journal.write([decision_row(one)]) is not None
    print(one.id, flush=True)
sys.stdin.read()
"""


def _decision(text: str = "A-1") -> Decision:
    return Decision(
        new_id(), now(), text, 1, "0" * 64, {"a": 1.5}, 0.1, 0.2, 600, "A", "approve", (), "k", None
    )


@pytest.fixture
def where(tmp_path: Path) -> Path:
    """An empty log."""
    DecisionLog.open(tmp_path / "log.db", create=True).close()
    return tmp_path / "log.db"


@pytest.fixture
def left(where: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A process that wrote a journal and still runs, and the decisions' ids."""
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE, str(where), "40"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        yield process, [process.stdout.readline().strip() for _ in range(40)]
        process.kill()


def _folder(where: Path) -> Path:
    return where.with_name(f"{where.name}.journals")


def _ids(where: Path) -> list[str]:
    with DecisionLog.open(where) as log:
        assert log.verify() == []
        return [one.id for piece in log.read(None, None) for one in piece]


def test_what_a_killed_process_left_comes_into_the_log_once(
    where: Path, left: tuple[subprocess.Popen[str], list[str]]
) -> None:
    process, answered = left
    assert _ids(where) == []  # it may still send them itself
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert _ids(where) == answered
    assert list(_folder(where).iterdir()) == []
    assert _ids(where) == answered


def test_what_the_log_has_is_not_written_again(where: Path) -> None:
    rows = [decision_row(_decision(f"A-{k}")) for k in range(600)]
    with DecisionLog.open(where) as log:
        log.write(rows[100:120])
        assert completed(rows, log.write) == 580
        assert completed(rows, log.write) == 0
        assert log.counts()["decisions"] == 600


def test_a_record_that_was_not_written_to_its_end_ends_the_journal(where: Path) -> None:
    made = [_decision(f"A-{k}") for k in range(3)]
    journal = Journal(where)
    assert journal.write([decision_row(one) for one in made]) is not None
    (first, _) = sorted(_folder(where).iterdir(), key=lambda path: -path.stat().st_size)
    body = first.read_bytes()
    size = len(body) // 3
    folder = _folder(where)
    for cut in (size - 1, size, size + 3, 2 * size + 9, 3 * size - 1):
        (folder / "cut.journal").write_bytes(body[:cut])
        assert set(_ids(where)) == {one.id for one in made[: cut // size]}
    changed = bytearray(body)
    changed[size + 30] ^= 1  # in the second
    (folder / "changed.journal").write_bytes(changed)
    assert len(_ids(where)) == 2
    (folder / "zeros.journal").write_bytes(bytes(5_000))
    assert len(_ids(where)) == 2


def test_nothing_stays_in_a_journal_that_the_log_has(where: Path) -> None:
    journal = Journal(where)
    files = list(_folder(where).iterdir())
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert stat.S_IMODE(_folder(where).stat().st_mode) == 0o700
    one = journal.write([decision_row(_decision())])
    two = journal.write([decision_row(_decision()) for _ in range(3)])
    assert one is not None and two is not None
    one.settle()
    assert sum(file.stat().st_size for file in files) > 0
    two.settle()
    assert sum(file.stat().st_size for file in files) == 0
    journal.close()
    assert not _folder(where).exists()


def test_a_journal_without_room_says_so(where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "_MOST_BYTES", 10_000)
    journal, row = Journal(where), decision_row(_decision())
    writes = []
    while (segment := journal.write([row])) is not None:
        writes.append(segment)
    assert len(set(writes)) == 2 and len(writes) > 20
    first = [segment for segment in writes if segment is writes[0]]
    for segment in first:
        segment.settle()
    assert journal.write([row]) is first[0]


def test_a_full_disk_leaves_no_half_record(where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(where)
    whole = _decision()
    assert journal.write([decision_row(whole)]) is not None
    really = os.write
    monkeypatch.setattr(os, "write", lambda file, body: really(file, body[:100]))
    assert journal.write([decision_row(_decision())]) is None
    monkeypatch.undo()
    after = _decision()
    assert journal.write([decision_row(after)]) is not None
    (file,) = [path for path in _folder(where).iterdir() if path.stat().st_size]
    (_folder(where) / "copy.journal").write_bytes(file.read_bytes())
    assert _ids(where) == [whole.id, after.id]


def test_a_journal_that_cannot_be_made_is_told_in_a_sentence(where: Path) -> None:
    _folder(where).write_text("in the way")
    with pytest.raises(StorageError, match=r"log\.db\.journals cannot be written"):
        Journal(where)
