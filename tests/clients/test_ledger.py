"""The egress ledger: chained, written before anything leaves, and whole after any crash."""

from __future__ import annotations

import hashlib
import json
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clients.ledger import Ledger
from clients.ledger_check import Verdict, read, verify
from clients.ledger_lines import ERROR, IDENTIFY, RELEASE, Departure, Line
from fed_credit.errors import LedgerError, ReleaseError

LAYOUT = (("n", (), 0), ("update/0", (3, 2), 24))


def departure(payload: bytes = b"123", *, run: str = "7", kind: str = RELEASE) -> Departure:
    text = payload.decode() if kind == ERROR else ""
    return Departure(run, "round", 3, kind, LAYOUT, payload, text)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.jsonl"


@pytest.fixture
def filled(path: Path) -> Path:
    ledger = Ledger(path)
    for k in range(6):
        ledger.append(departure(b"%d" % k, run=str(k % 2)))
    return path


def whats(verdict: Verdict) -> list[tuple[int, str]]:
    return [(problem.line, problem.what) for problem in verdict.problems]


def rewrite(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


def test_a_line_says_what_left(path: Path) -> None:
    line = Ledger(path).append(departure(b"the vector"))
    body = json.loads(path.read_text())
    assert list(body) == [
        "n",
        "time",
        "run",
        "task",
        "round",
        "kind",
        "layout",
        "bytes",
        "sha256",
        "prev",
        "hash",
    ]
    assert body["layout"] == [["n", [], 0], ["update/0", [3, 2], 24]]
    assert (body["n"], body["run"], body["task"], body["round"]) == (1, "7", "round", 3)
    assert (body["bytes"], body["prev"]) == (10, "0" * 64)
    assert body["sha256"] == hashlib.sha256(b"the vector").hexdigest()
    assert list(read(path)) == [line]
    for file in (path, path.with_suffix(".head")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_hash_can_be_computed_by_anyone(filled: Path) -> None:
    before = "0" * 64
    for raw in filled.read_text().splitlines():
        body = json.loads(raw)
        stated = body.pop("hash")
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert body["prev"] == before
        assert stated == hashlib.sha256((before + canonical).encode()).hexdigest()
        before = stated


def test_an_error_keeps_its_sentence(path: Path) -> None:
    text = "河边银行: refused \udcff."  # and what is no text at all does not stop it
    sent = text.encode("utf-8", "replace")
    Ledger(path).append(Departure("7", "round", 1, ERROR, (), sent, text))
    (line,) = read(path)
    assert line.text == "河边银行: refused ?."
    assert not verify(path).problems


def test_a_ledger_of_nothing(path: Path) -> None:
    assert list(read(path)) == []
    assert verify(path) == Verdict(0, "0" * 64, (), ())
    assert Ledger(path).exchanges("7") == 0


def test_entries_of_one_run(filled: Path) -> None:
    assert [line.n for line in read(filled, run="1")] == [2, 4, 6]
    assert verify(filled) == Verdict(6, list(read(filled))[-1].hash, (), ())


def test_a_run_is_answered_so_often_and_no_more(path: Path) -> None:
    ledger = Ledger(path)
    for kind in (RELEASE, IDENTIFY):
        ledger.append(departure(kind=kind), limit=2)
    ledger.append(departure(kind=ERROR), limit=2)
    size = path.stat().st_size
    with pytest.raises(ReleaseError, match=r"max_exchanges_per_run .* allows 2 answers"):
        Ledger(path).append(departure(), limit=2)
    assert path.stat().st_size == size
    ledger.append(departure(kind=ERROR), limit=2)  # the refusal itself still leaves
    ledger.append(departure(run="8"), limit=2)
    assert (ledger.exchanges("7"), ledger.exchanges("8")) == (2, 1)


def test_a_message_does_not_read_what_was_written_before(filled: Path) -> None:
    """Cost must not grow with the ledger: only its end is looked at."""
    garbled = filled.read_bytes().replace(b'"task": "round"', b'"task": "other"')
    filled.write_bytes(garbled)
    Ledger(filled).append(departure())
    assert len(whats(verify(filled))) == 6


# --- what was changed ----------------------------------------------------------------------------


def changed(raw: bytes, **values: Any) -> bytes:
    return json.dumps({**json.loads(raw), **values}).encode() + b"\n"


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda x: [*x[:2], changed(x[2], bytes=9), *x[3:]], [(3, "changed")]),
        (lambda x: [*x[:2], changed(x[2], hash="0" * 64), *x[3:]], [(3, "changed"), (4, "follow")]),
        (lambda x: [*x[:2], *x[3:]], [(3, "taken out")]),
        (lambda x: x[1:], [(1, "taken out")]),
        (lambda x: [*x[:3], x[2], *x[3:]], [(4, "put in")]),
        (lambda x: [x[0], x[2], x[1], *x[3:]], [(2, "moved"), (3, "moved"), (4, "moved")]),
        (lambda x: [*x[:3], b"{}\n", *x[4:]], [(4, "no entry"), (5, "follow")]),
        (lambda x: [*x[:3], b"\xff\n", *x[4:]], [(4, "no entry"), (5, "follow")]),
        (lambda x: [*x[:3], changed(x[3], n="4"), *x[4:]], [(4, "no entry"), (5, "follow")]),
        (lambda x: [*x[:3], b"...#torn\n", *x[4:]], [(5, "follow"), (5, "set aside")]),
        (lambda x: x[:4], [(0, "is number 4, and ledger.head knows of 6: the end was cut off")]),
        (lambda x: [], [(0, "knows of 6")]),
    ],
)
def test_what_was_changed_is_named(
    filled: Path,
    change: Callable[[list[bytes]], list[bytes]],
    wanted: list[tuple[int, str]],
) -> None:
    rewrite(filled, change)
    found = whats(verify(filled))
    assert [line for line, _ in found] == [line for line, _ in wanted]
    for (_, what), (_, words) in zip(found, wanted, strict=True):
        assert words in what


def test_a_ledger_made_anew_shows_by_a_hash_noted_elsewhere(filled: Path) -> None:
    noted = verify(filled).hash
    Ledger(filled).append(departure())
    assert not verify(filled, anchor=noted[:16]).problems
    for file in (filled, filled.with_suffix(".head")):
        file.unlink()
    for k in range(7):
        Ledger(filled).append(departure(b"%d" % (k + 1)))
    assert not verify(filled).problems  # the chain alone cannot tell
    assert whats(verify(filled, anchor=noted)) == [(0, f"no entry has the hash {noted}")]


def test_nothing_leaves_after_the_end_was_cut_off(filled: Path) -> None:
    rewrite(filled, lambda lines: lines[:4])
    size = filled.stat().st_size
    with pytest.raises(LedgerError, match=r"its end was cut off\. Nothing leaves"):
        Ledger(filled).append(departure())
    assert filled.stat().st_size == size
    filled.unlink()
    with pytest.raises(LedgerError, match="cut off"):
        Ledger(filled).append(departure())


def test_nothing_leaves_after_lines_were_put_in_at_the_end(filled: Path) -> None:
    with filled.open("ab") as file:
        file.write(filled.read_bytes().splitlines(keepends=True)[-1])
    with pytest.raises(LedgerError, match="was changed near line 7"):
        Ledger(filled).append(departure())


def test_a_lost_side_file_is_made_anew_and_said(filled: Path) -> None:
    filled.with_suffix(".head").unlink()
    assert whats(verify(filled)) == [
        (0, "ledger.head is missing, so a cut-off end would not show"),
    ]
    ledger = Ledger(filled)
    ledger.append(departure())
    assert [line.kind for line in read(filled)][6:] == ["rebuilt", RELEASE]
    assert ledger.exchanges("1") == 3
    assert not verify(filled).problems


def test_a_ledger_put_away_begins_anew(filled: Path) -> None:
    for file in (filled, filled.with_suffix(".head")):
        file.rename(file.with_name(f"old-{file.name}"))
    assert Ledger(filled).append(departure()).n == 1
    assert not verify(filled).problems


# --- crashes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 40, -1])
def test_half_a_line_is_set_aside(filled: Path, cut: int) -> None:
    """A crash while the line was written: also when only its end of line is missing."""
    encoded = filled.read_bytes().splitlines(keepends=True)[-1]
    with filled.open("ab") as file:
        file.write(encoded[:cut])
    assert verify(filled).notes == (
        "It ends in half a line, of a message that did not leave; the next one sets it aside.",
    )
    ledger = Ledger(filled)
    ledger.append(departure(run="0"))
    assert [line.kind for line in read(filled)][6:] == ["torn", RELEASE]
    assert ledger.exchanges("0") == 4  # three of before, and this one
    assert verify(filled) == Verdict(8, list(read(filled))[-1].hash, (), ())


def test_half_a_line_about_half_a_line(filled: Path) -> None:
    with filled.open("ab") as file:
        file.write(b'{"n": 7, "ti')
    head = filled.with_suffix(".head")
    intact, old = filled.read_bytes(), head.read_bytes()
    Ledger(filled).append(departure())
    end = filled.read_bytes()[len(intact) :]
    filled.write_bytes(intact + end[:20])  # the line that says so was not finished either
    head.write_bytes(old)
    assert not verify(filled).problems
    Ledger(filled).append(departure())
    assert [line.kind for line in read(filled)][6:] == ["torn", RELEASE]
    assert not verify(filled).problems


def test_a_line_that_the_side_file_does_not_know_is_taken_in(filled: Path) -> None:
    head = filled.with_suffix(".head")
    old = head.read_bytes()
    Ledger(filled).append(departure(run="0"))
    head.write_bytes(old)  # a crash between the two files
    assert verify(filled).notes == (
        "1 of its entries are newer than ledger.head; the next message takes them in.",
    )
    ledger = Ledger(filled)
    assert ledger.append(departure(run="0")).n == 8
    assert ledger.exchanges("0") == 5
    assert not verify(filled).problems and not verify(filled).notes


APPEND = """
import sys
from pathlib import Path
from clients.ledger import Ledger
from clients.ledger_lines import RELEASE, Departure
path, run, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
ledger = Ledger(path)
print("ready", flush=True)
sys.stdin.readline()
for k in range(times):
    line = ledger.append(Departure(run, "round", k, RELEASE, (), b"x" * k))
    print(line.n, flush=True)
"""


def appending(path: Path, run: str, times: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", APPEND, str(path), run, str(times)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_write_one_chain(path: Path) -> None:
    writers = [appending(path, run, 60) for run in ("a", "b")]
    for writer in writers:
        assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    numbers = [int(n) for writer in writers for n in writer.communicate(timeout=60)[0].split()]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert sorted(numbers) == list(range(1, 121))
    assert not verify(path).problems
    for run in ("a", "b"):
        assert [line.round for line in read(path, run=run)] == list(range(60))
        assert Ledger(path).exchanges(run) == 60


def test_a_killed_process_leaves_a_whole_ledger(path: Path) -> None:
    last: Line | None = None
    for trial in range(4):
        writer = appending(path, "a", 1_000_000)
        assert writer.stdout is not None and writer.stdin is not None
        assert writer.stdout.readline() == "ready\n"
        writer.stdin.write("go\n")
        writer.stdin.flush()
        writer.stdout.readline()
        time.sleep(0.02 * trial)
        writer.send_signal(signal.SIGKILL)
        said = [int(n) for n in writer.communicate(timeout=60)[0].split()]
        if said:  # what was said to be written is there
            assert said[-1] in {line.n for line in read(path)}
        assert not verify(path).problems
        last = Ledger(path).append(departure())
    assert last is not None and verify(path) == Verdict(last.n, last.hash, (), ())
    assert verify(path).entries == Ledger(path).exchanges("a") + 4 + _markers(path)


def _markers(path: Path) -> int:
    return sum(line.kind in ("torn", "rebuilt") for line in read(path))


def test_a_full_disk_lets_nothing_leave(filled: Path) -> None:
    """The kernel's own limit on the size of a file: a real short write, then a real refusal."""
    code = """
import resource, sys
from pathlib import Path
from clients.ledger import Ledger
from clients.ledger_lines import RELEASE, Departure
from fed_credit.errors import LedgerError
path, size = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
for _ in range(3):
    try:
        Ledger(path).append(Departure("7", "round", 1, RELEASE, (), b"x"))
    except LedgerError as error:
        print(error)
"""
    size = filled.stat().st_size
    done = subprocess.run(
        [sys.executable, "-c", code, str(filled), str(size + 100)],
        check=True,
        capture_output=True,
        text=True,
    )
    sentences = done.stdout.splitlines()
    assert len(sentences) == 3
    assert all("cannot be written" in text and "nothing leaves" in text for text in sentences)
    assert filled.stat().st_size == size + 100  # half a line
    Ledger(filled).append(departure())
    assert [line.kind for line in read(filled)][6:] == ["torn", RELEASE]
    assert not verify(filled).problems


def test_a_ledger_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(LedgerError, match="cannot be written"):
        Ledger(tmp_path / "state" / "ledger.jsonl").append(departure())
