"""Group commit: who shares a transaction, who suffers for whom, and what a full disk does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fed_credit.decision_log.committer import GroupCommitter
from fed_credit.decision_log.log import DecisionLog
from fed_credit.decision_log.records import Decision, new_id
from fed_credit.decision_log.tables import LAYOUT
from fed_credit.errors import DecisionLogError, DuplicateError, OverloadError, StorageError
from fed_credit.storage.clock import now
from fed_credit.storage.database import Database


def made(**changes: Any) -> Decision:
    values: dict[str, Any] = {
        "id": new_id(),
        "time": now(),
        "application": None,
        "model": 1,
        "model_sha256": "a" * 64,
        "inputs": {"firm_age": 36},
        "model_pd": 0.1,
        "pd": 0.1,
        "score": 600,
        "grade": "B",
        "verdict": "approve",
        "reasons": (),
        "key": "k1",
        "shadow": None,
    }
    return Decision(**{**values, **changes})


@pytest.fixture
def log(tmp_path: Path) -> Iterator[DecisionLog]:
    with DecisionLog.open(tmp_path / "decisions.db", create=True) as opened:
        yield opened


def transactions(log: DecisionLog, calls: list[int]) -> None:
    """Note how many rows each transaction holds."""
    write = log.write

    def counted(rows: Any, **options: Any) -> int:
        calls.append(len(rows))
        return write(rows, **options)

    log.write = counted  # type: ignore[method-assign]


def test_those_that_come_together_share_a_transaction(log: DecisionLog) -> None:
    decisions, calls = [made() for _ in range(100)], list[int]()
    transactions(log, calls)

    async def main() -> None:
        committer = GroupCommitter(log)
        await asyncio.gather(*(committer.put(one) for one in decisions))
        assert committer.trouble is None
        await committer.close()

    asyncio.run(main())
    assert calls == [100]
    assert {d.id for piece in log.read(None, None) for d in piece} == {d.id for d in decisions}
    assert log.verify() == []


def test_many_are_written_in_several_transactions(log: DecisionLog) -> None:
    calls: list[int] = []
    transactions(log, calls)

    async def main() -> None:
        committer = GroupCommitter(log)
        several = [made() for _ in range(300)]
        await asyncio.gather(
            *(committer.put(*several[k::3]) for k in range(3)),
            *(committer.put(made()) for _ in range(1_000)),
        )
        await committer.close()

    asyncio.run(main())
    assert sum(calls) == 1_300
    assert max(calls) <= 512
    assert log.counts()["decisions"] == 1_300


def test_after_put_a_decision_is_there_for_others(log: DecisionLog, tmp_path: Path) -> None:
    async def main() -> None:
        committer = GroupCommitter(log)
        for _ in range(20):
            one = made()
            await committer.put(one)
            with DecisionLog.open(tmp_path / "decisions.db") as other:
                assert other.get(one.id) == one
        await committer.close()

    asyncio.run(main())


def test_what_cannot_be_logged_is_one_requests_trouble(log: DecisionLog) -> None:
    first = made()
    log.append([first])
    again = made(id=first.id)
    odd = made(inputs={"x": float("nan")})
    good = [made() for _ in range(5)]

    async def main() -> list[BaseException | None]:
        committer = GroupCommitter(log)
        told = await asyncio.gather(
            *(committer.put(one) for one in [*good, again, odd]), return_exceptions=True
        )
        assert committer.trouble is None
        await committer.close()
        return told

    *fine, duplicate, refused = asyncio.run(main())
    assert fine == [None] * 5
    assert isinstance(duplicate, DuplicateError)
    assert isinstance(refused, DecisionLogError)
    assert log.counts()["decisions"] == 6
    assert log.verify() == []


def test_a_log_that_fails_fails_all_that_wait_and_is_ready_again_when_it_works(
    log: DecisionLog, tmp_path: Path
) -> None:
    """The file's pages are limited, as a full disk would."""

    def limit(pages: int) -> None:
        raw = log._database.engine.raw_connection()
        raw.cursor().execute(f"PRAGMA max_page_count={pages}")
        raw.close()

    async def main() -> None:
        committer = GroupCommitter(log)
        await committer.put(made())
        limit(1)  # SQLite takes what it has for the least
        large = [made(inputs={"text": "x" * 100_000}) for _ in range(3)]
        told = await asyncio.gather(*map(committer.put, large), return_exceptions=True)
        assert [type(one) for one in told] == [StorageError] * 3
        assert "no space left" in str(told[0])
        assert committer.trouble is told[0]
        limit(1_000_000)
        await committer.probe()
        assert committer.trouble is None
        await committer.put(made())
        await committer.close()

    asyncio.run(main())
    assert log.counts()["decisions"] == 2
    assert log.verify() == []


def test_trouble_ends_with_a_transaction_that_is_written(
    log: DecisionLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        committer = GroupCommitter(log)
        file, aside = tmp_path / "decisions.db", tmp_path / "aside.db"
        log.close()  # the connections that are held
        file.rename(aside)
        with pytest.raises(StorageError, match="was removed or replaced"):
            await committer.put(made())
        await committer.probe()
        assert isinstance(committer.trouble, StorageError)
        aside.rename(file)
        await committer.put(made())
        assert committer.trouble is None
        await committer.close()

    asyncio.run(main())
    assert log.counts()["decisions"] == 1


def test_too_many_that_wait_are_refused(log: DecisionLog) -> None:
    async def main() -> None:
        committer = GroupCommitter(log, most_waiting=10)
        tasks = [asyncio.create_task(committer.put(made())) for _ in range(15)]
        told = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in told] == [type(None)] * 10 + [OverloadError] * 5
        await committer.put(*[made() for _ in range(25)])  # alone, it may be as large as it is
        await committer.close()
        with pytest.raises(DecisionLogError, match="is closed"):
            await committer.put(made())

    asyncio.run(main())
    assert log.counts()["decisions"] == 35


def test_close_writes_what_waits_and_a_request_that_is_gone_stops_nobody(log: DecisionLog) -> None:
    async def main() -> None:
        committer = GroupCommitter(log)
        tasks = [asyncio.create_task(committer.put(made())) for _ in range(10)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        await committer.close()
        told = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in told].count(type(None)) == 9

    asyncio.run(main())
    assert log.counts()["decisions"] >= 9
    assert log.verify() == []


def test_the_loop_goes_on_while_another_process_writes(log: DecisionLog, tmp_path: Path) -> None:
    async def main() -> None:
        committer = GroupCommitter(log)
        with closing(Database.open(tmp_path / "decisions.db", LAYOUT)) as other:
            for _ in range(2):
                with other.writing():
                    waiting = asyncio.create_task(committer.put(made()))
                    await asyncio.sleep(0.05)
                    assert not waiting.done()
                await waiting
        await committer.close()

    asyncio.run(main())
    assert log.counts()["decisions"] == 2


def test_on_a_server_decisions_share_transactions_too(schema: str) -> None:
    async def main(log: DecisionLog) -> None:
        committer = GroupCommitter(log)
        await asyncio.gather(*(committer.put(made()) for _ in range(200)))
        await committer.close()

    calls: list[int] = []
    with DecisionLog.open(schema, create=True) as log:
        transactions(log, calls)
        asyncio.run(main(log))
        assert log.counts()["decisions"] == sum(calls) == 200
        assert len(calls) < 10
        assert log.verify() == []
