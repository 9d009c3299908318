"""The decision log: what is written comes back, in one chain, and goes only by retention."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from fed_credit.decision_log.log import DecisionLog
from fed_credit.decision_log.records import Decision, decision_of, decision_row, new_id
from fed_credit.errors import (
    ConfigurationError,
    DecisionLogError,
    DuplicateError,
    FedCreditError,
    StorageError,
)
from fed_credit.storage.clock import now

AtOnce = Callable[[Sequence[Callable[[], Any]]], list[Any]]
REASON = {
    "feature": "firm_age",
    "value": 36.0,
    "amount": 21.3,
    "unit": "points",
    "en": "Age of the firm is 36 months: 21 points fewer than the best class.",
    "zh": "企业成立时间为36 个月：比最优档少 21 分。",
}
SHADOW = {"model": 2, "pd": 0.05, "score": 640, "verdict": "approve"}
VERDICTS = ("approve", "refer", "decline")


def made(number: int = 0, **changes: Any) -> Decision:
    """A decision; with a number, of that day of January 2024."""
    decision = Decision(
        id=new_id(),
        time=now() if not number else f"2024-01-{number:02d}T09:30:00.000000Z",
        application=f"A-{number}",
        model=1,
        model_sha256="a" * 64,
        inputs={"firm_age": 36, "turnover": 1e6 / 3, "sector": "贸易", "guaranteed": None},
        model_pd=0.1 + 0.2,
        pd=1 / 3,
        score=612,
        grade="BB",
        verdict=VERDICTS[number % 3],
        reasons=(REASON,),
        key="k1",
        shadow=SHADOW,
    )
    return replace(decision, **changes)


@pytest.fixture(params=["file"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a log; also on a server, for tests marked with :data:`both`."""
    if request.param == "server":
        return str(request.getfixturevalue("schema"))
    return str(tmp_path / "decisions.db")


both = pytest.mark.parametrize("where", ["file", "server"], indirect=True)


@pytest.fixture
def log(where: str) -> Iterator[DecisionLog]:
    with DecisionLog.open(where, create=True) as opened:
        yield opened


@pytest.fixture
def january(log: DecisionLog) -> list[Decision]:
    """A decision on each of ten days, with an override of the second on the last day."""
    decisions = [made(day) for day in range(1, 11)]
    log.append(decisions[:4])
    log.append(decisions[4:])
    return decisions


@both
def test_a_decision_comes_back_to_the_last_bit(log: DecisionLog) -> None:
    odd = {"": "\x00\ud800\n'\"", "n": -0.0, "tiny": 5e-324, "big": 2**80, "list": [1, {"a": None}]}
    decisions = [made(), made(inputs=odd, application=None, shadow=None, reasons=())]
    log.append(decisions)
    for decision in decisions:
        found = log.get(decision.id)
        assert found == decision
        assert repr(found.inputs) == repr(decision.inputs)
    assert log.verify() == []


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(inputs=st.dictionaries(st.text(), JSON, max_size=5), pd=st.floats(0, 1))
def test_whatever_json_can_say_comes_back(inputs: dict[str, Any], pd: float) -> None:
    decision = made(inputs=inputs, pd=pd)
    content = decision_row(decision).content
    assert content.isascii()
    assert repr(decision_of(content)) == repr(decision)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x", object()])
def test_what_json_cannot_say_is_refused_before_anything_is_written(
    log: DecisionLog, value: object
) -> None:
    with pytest.raises(DecisionLogError, match="holds a value that is no text, finite number"):
        log.append([made(), made(inputs={"x": value})])
    with pytest.raises(DecisionLogError, match="the log sorts by it"):
        log.append([made(time="2024-01-01")])
    assert log.counts()["decisions"] == 0


@both
def test_an_id_is_there_once(log: DecisionLog) -> None:
    first = made()
    log.append([first])
    with pytest.raises(DuplicateError, match="holds it already"):
        log.append([made(), replace(first, pd=0.9), made()])
    assert log.counts()["decisions"] == 1
    assert log.get(first.id) == first
    assert log.verify() == []


def test_a_decision_that_is_not_there(log: DecisionLog) -> None:
    for ask in (log.get, partial(log.recent, 5, before="nothing")):
        with pytest.raises(DecisionLogError, match="has no decision '"):
            ask("nothing") if ask == log.get else ask()


@both
def test_the_newest_come_first_page_by_page(log: DecisionLog, january: list[Decision]) -> None:
    newest = list(reversed(january))
    page = log.recent(4)
    assert page == newest[:4]
    assert log.recent(4, before=page[-1].id) == newest[4:8]
    assert log.recent(50, verdict="refer") == [d for d in newest if d.verdict == "refer"]
    assert log.counts() == {
        "approve": 3,
        "refer": 4,
        "decline": 3,
        "decisions": 10,
        "overrides": 0,
        "purged": 0,
    }


@both
def test_reading_goes_in_order_in_pieces(log: DecisionLog, january: list[Decision]) -> None:
    log.override(january[1].id, "approve", reason="Known for years.", actor="Li Na")
    assert [len(piece) for piece in log.read(None, None, most=4)] == [4, 4, 2]
    assert [d for piece in log.read(None, None) for d in piece] == january
    some = [d for piece in log.read("2024-01-03", "2024-01-06T12:00:00+00:00", 2) for d in piece]
    assert some == january[2:6]
    assert list(log.read("2030-01-01", None)) == []
    with pytest.raises(ConfigurationError, match="since 'soon'"):
        log.read("soon", None)


@both
def test_days_are_counted_whatever_the_inputs_hold(
    log: DecisionLog, january: list[Decision]
) -> None:
    odd = {"x": "\x00 \ud800"}
    log.append([made(2, inputs=odd, verdict="approve", pd=0.5), made(2, shadow=None)])
    log.override(january[1].id, "approve", reason="x", actor="Li Na")
    second, *rest = log.days("2024-01-02")
    assert (second.approved, second.referred, second.declined) == (1, 0, 2)
    assert second.mean_pd == pytest.approx((0.5 + 2 / 3) / 3)
    assert (second.shadowed, second.agreed) == (2, 1)
    assert [day.day for day in rest[:-1]] == [f"2024-01-{day:02d}" for day in range(3, 11)]
    assert (rest[-1].decisions, rest[-1].overrides, rest[-1].mean_pd) == (0, 1, None)
    assert log.verify() == []


@both
def test_an_override_is_a_row_of_its_own(log: DecisionLog, january: list[Decision]) -> None:
    id = january[1].id
    first = log.override(id, "approve", reason="Known for years.", actor="Li Na")
    second = log.override(id, "decline", reason="不再合作。", actor="王")
    assert log.overrides(id) == [first, second]
    assert (first.decision, first.verdict, first.reason) == (id, "approve", "Known for years.")
    assert second.number == first.number + 1
    assert log.get(id) == january[1]
    assert log.last_overrides([id, january[2].id]) == {id: second}
    assert log.verify() == []
    for verdict, reason, said in (
        ("maybe", "x", "no verdict 'maybe'"),
        ("approve", " ", "needs a reason"),
    ):
        with pytest.raises(DecisionLogError, match=said):
            log.override(id, verdict, reason=reason, actor="Li Na")
    with pytest.raises(DecisionLogError, match="has no decision"):
        log.override("nothing", "approve", reason="x", actor="Li Na")


@both
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE decision_entries SET verdict = 'approve'",
        "DELETE FROM decision_entries WHERE number = 2",
        "DELETE FROM decision_purges",
    ],
)
def test_nothing_is_changed_or_removed(
    log: DecisionLog, january: list[Decision], statement: str
) -> None:
    log.purge("2024-01-02", actor="Li Na", reason="Due.")
    with pytest.raises(StorageError, match="append-only"), log._database.writing() as connection:
        connection.execute(text(statement))
    assert log.verify() == []


@pytest.mark.parametrize(
    ("number", "id", "said"),
    [("1", "'another'", "append-only"), ("99", "id", "holds it already")],
)
def test_sqlite_replaces_nothing_either(
    log: DecisionLog, january: list[Decision], where: str, number: str, id: str, said: str
) -> None:
    """``INSERT OR REPLACE`` deletes the row with the same number or id without being asked."""
    statement = (
        "INSERT OR REPLACE INTO decision_entries (number, content, hash, kind, id, time, verdict)"
        f" SELECT {number}, '{{}}', hash, kind, {id}, time, verdict FROM decision_entries"
        " WHERE number = 1"
    )
    with (
        sqlite3.connect(where) as connection,
        pytest.raises(sqlite3.IntegrityError, match=said),
    ):
        connection.execute(statement)
    assert log.verify() == []


@both
def test_a_purge_takes_the_beginning_and_the_chain_holds(
    log: DecisionLog, january: list[Decision]
) -> None:
    log.override(january[0].id, "approve", reason="x", actor="Li Na")
    noted = log.end().hash
    assert log.purge("2024-01-04", actor="Li Na", reason="Three years are over.") == 3
    assert log.counts()["decisions"] == 7
    assert [d for piece in log.read(None, None) for d in piece] == january[3:]
    with pytest.raises(DecisionLogError):
        log.get(january[2].id)
    assert log.verify(anchor=noted) == []
    log.append([made(11)])
    assert log.purge("2024-01-08", actor="王", reason="到期。") == 4
    assert log.purge("2024-01-08", actor="王", reason="到期。") == 0
    first, second = log.purges()
    assert (first.first, first.last, first.decisions, first.actor) == (1, 3, 3, "Li Na")
    assert (second.first, second.last, second.reason) == (4, 7, "到期。")
    assert log.counts()["purged"] == 7
    assert log.verify() == []


def test_a_purge_stops_at_the_first_row_that_is_younger(log: DecisionLog) -> None:
    log.append([made(1), made(5), made(2), made(3)])  # clocks of two machines
    assert log.purge("2024-01-04", actor="Li Na", reason="Due.") == 1
    assert log.verify() == []


def test_all_can_be_purged_and_the_log_goes_on(log: DecisionLog, january: list[Decision]) -> None:
    assert log.purge("2025-01-01", actor="Li Na", reason="Due.") == 10
    assert log.counts()["decisions"] == 0
    assert log.verify() == []
    log.append([made()])
    assert log.verify() == []
    assert log.end().number == 11


def test_what_was_purged_is_not_in_the_file_any_more(log: DecisionLog, where: str) -> None:
    log.append([made(1, inputs={"owner": "Zhang San 4711"}), made(2)])
    log.purge("2024-01-02", actor="Li Na", reason="Due.")
    for path in Path(where).parent.iterdir():
        assert b"4711" not in path.read_bytes(), path.name


FORGERIES = {
    "UPDATE decision_entries SET content = replace(content, '612', '712') WHERE number = 6": (
        "row 6 does not fit its hash"
    ),
    "DELETE FROM decision_entries WHERE number = 6": "before row 7, 1 is missing",
    "DELETE FROM decision_entries WHERE number = 4": "before row 5, 1 is missing",
    "DELETE FROM decision_entries WHERE number = 10": "the end was cut off",
    "UPDATE decision_entries SET verdict = 'approve' WHERE number = 8": (
        "row 8 is found by what its content does not say"
    ),
    "UPDATE decision_entries SET pd = 0.01 WHERE number = 8": (
        "row 8 is found by what its content does not say"
    ),
    "UPDATE decision_entries SET kind = 'override' WHERE number = 8": (
        "row 8 is found by what its content does not say"
    ),
    "DELETE FROM decision_purges": "the last purge is number 0 of 1: the end was cut off",
    "UPDATE decision_purges SET last = 5": "purge 1 does not go with those before it",
}


@both
@pytest.mark.parametrize("statement", FORGERIES)
def test_what_was_changed_around_the_triggers_is_found(
    log: DecisionLog, january: list[Decision], statement: str
) -> None:
    log.purge("2024-01-04", actor="Li Na", reason="Due.")
    with log._database.writing() as connection:
        if connection.dialect.name == "sqlite":
            for name in connection.scalars(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            ).all():
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            for table in ("decision_entries", "decision_purges"):
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        connection.execute(text(statement))
    assert FORGERIES[statement] in "; ".join(log.verify())


def _append(where: str, batches: int, each: int) -> list[str]:
    ids = []
    with DecisionLog.open(where) as log:
        for _ in range(batches):
            some = [made() for _ in range(each)]
            log.append(some)
            ids += [one.id for one in some]
    return ids


def _purge(where: str, times: int) -> int:
    with DecisionLog.open(where) as log:
        return sum(log.purge("2024-01-06", actor="Li Na", reason="Due.") for _ in range(times))


@both
def test_processes_that_write_at_once_make_one_chain(
    log: DecisionLog, january: list[Decision], where: str, at_once: AtOnce
) -> None:
    writers = [partial(_append, where, 15, 3)] * 3
    *told, purged = at_once([*writers, partial(_purge, where, 3)])
    assert not [one for one in told if isinstance(one, FedCreditError)]
    assert purged == 5
    assert log.verify() == []
    kept = {d.id for piece in log.read("2025-01-01", None) for d in piece}
    assert kept == {id for ids in told for id in ids}
    assert len(kept) == 135


def test_ids_sort_by_time_and_differ() -> None:
    ids = [new_id() for _ in range(1_000)]
    assert len(set(ids)) == 1_000
    assert [id[:12] for id in ids] == sorted(id[:12] for id in ids)
    assert {len(id) for id in ids} == {32}
