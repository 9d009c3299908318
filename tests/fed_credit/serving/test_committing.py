"""Decisions reach the log by its own process, by this one, and whatever becomes of either."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fed_credit.decision_log.log import Decision, DecisionLog
from fed_credit.decision_log.records import new_id
from fed_credit.errors import DuplicateError, FedCreditError, StorageError
from fed_credit.serving.committing import Committer
from fed_credit.storage.clock import now
from fed_credit.storage.space import reserve


def _decision(**changes: Any) -> Decision:
    values: dict[str, Any] = {
        "id": new_id(),
        "time": now(),
        "application": "申请\ud800\x00",
        "model": 1,
        "model_sha256": "0" * 64,
        "inputs": {"a": 1, "b": 0.1, "c": None, "d": True, "e": "é\ud800"},
        "model_pd": 0.1,
        "pd": 0.1 + 0.2,
        "score": 600,
        "grade": "A",
        "verdict": "decline",
        "reasons": ({"feature": "a", "value": 1, "amount": 2.5, "unit": "points", "zh": "一"},),
        "key": "k",
        "shadow": {"model": 2, "pd": 0.5, "score": 1, "verdict": "approve"},
    }
    return Decision(**{**values, **changes})


def _run(
    path: Path,
    steps: Callable[[Committer, DecisionLog], Awaitable[None]],
    *,
    alone: bool = False,
    durable: bool = True,
) -> None:
    async def go() -> None:
        with DecisionLog.open(path / "log.db", create=True, durable=durable) as log:
            committer = Committer(log, str(path / "log.db"), durable)
            if not alone:
                await committer.start()
                async with asyncio.timeout(60):
                    while not committer.apart:
                        await asyncio.sleep(0.02)
            try:
                await steps(committer, log)
            finally:
                await committer.close()
            assert log.verify() == []

    asyncio.run(go())


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("active", [1, 5])
def test_what_is_put_is_there_as_it_was(
    tmp_path: Path, alone: bool, active: int, durable: bool
) -> None:
    async def steps(committer: Committer, log: DecisionLog) -> None:
        committer.active = active
        made = [_decision() for _ in range(60)]
        await asyncio.gather(*(committer.put(one) for one in made[:40]))
        await committer.put(*made[40:50])
        for one in made[50:]:
            await committer.put(one)
        await committer.caught_up()
        for one in made:
            assert log.get(one.id) == one

    _run(tmp_path, steps, alone=alone, durable=durable)
    assert not (tmp_path / "log.db.journals").exists()


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("active", [1, 5])
def test_an_id_that_is_there_is_one_requests_trouble(
    tmp_path: Path, active: int, durable: bool
) -> None:
    async def steps(committer: Committer, log: DecisionLog) -> None:
        committer.active = active
        first = _decision()
        await committer.put(first, once=True)
        made = [_decision() for _ in range(20)]
        made[7] = first
        puts = [committer.put(one, once=True) for one in made]
        told = await asyncio.gather(*puts, return_exceptions=True)
        assert [type(one) for one in told].count(DuplicateError) == 1
        assert isinstance(told[7], DuplicateError)
        assert {one.id for one in log.recent(50)} == {one.id for one in made}
        with pytest.raises(DuplicateError):
            await committer.put(first, once=True)
        assert await committer.writable()

    _run(tmp_path, steps, durable=durable)


def test_a_lone_decision_is_answered_ahead_of_the_log(tmp_path: Path) -> None:
    async def steps(committer: Committer, log: DecisionLog) -> None:
        made = [_decision() for _ in range(30)]
        for one in made:
            await committer.put(one)
        assert log.counts()["decisions"] < 30  # gathered for a moment, to share a transaction
        async with asyncio.timeout(10):
            while log.counts()["decisions"] < 30:
                await asyncio.sleep(0.01)
        await committer.caught_up()
        held = [path.stat().st_size for path in (tmp_path / "log.db.journals").iterdir()]
        assert held == [0, 0]

    _run(tmp_path, steps, durable=False)


def test_what_was_answered_ahead_outlives_the_logs_process(tmp_path: Path) -> None:
    async def steps(committer: Committer, log: DecisionLog) -> None:
        made = [_decision() for _ in range(500)]
        for place, one in enumerate(made):
            await committer.put(one)
            if place == 300:
                assert committer.process is not None
                committer.process.kill()
            if place % 50 == 0:
                await asyncio.sleep(0.01)
        await committer.caught_up()
        assert {one.id for one in log.recent(500)} == {one.id for one in made}

    _run(tmp_path, steps, durable=False)


def test_what_a_log_refuses_waits_in_the_journal(tmp_path: Path) -> None:
    made = [_decision() for _ in range(3)]
    lock = tmp_path / "log.db-lock"

    async def steps(committer: Committer, log: DecisionLog) -> None:
        await committer.put(made[0])
        await committer.caught_up()
        lock.unlink()
        lock.mkdir()  # what each writer locks cannot be opened now
        await committer.put(made[1])
        async with asyncio.timeout(10):
            while True:  # answered until the log is known to fail
                try:
                    await committer.put(one := _decision())
                except StorageError:
                    break
                made.append(one)
                await asyncio.sleep(0.01)
        assert log.counts()["decisions"] == 1

    async def come_back(committer: Committer, log: DecisionLog) -> None:
        await steps(committer, log)
        lock.rmdir()
        await committer.put(made[2])
        async with asyncio.timeout(10):
            while log.counts()["decisions"] < len(made):
                await asyncio.sleep(0.05)

    _run(tmp_path, come_back, durable=False)
    made[:] = [_decision() for _ in range(2)]
    before = len(made)

    async def stay_away(committer: Committer, log: DecisionLog) -> None:
        already = log.counts()["decisions"]
        await committer.put(made[0])
        await committer.caught_up()
        lock.unlink()
        lock.mkdir()
        await committer.put(made[1])
        assert log.counts()["decisions"] == already + 1

    _run(tmp_path, stay_away, durable=False)
    lock.rmdir()
    with DecisionLog.open(tmp_path / "log.db") as log:
        assert all(log.get(one.id) == one for one in made[:before])
        assert log.verify() == []
    assert list((tmp_path / "log.db.journals").iterdir()) == []


def test_without_its_process_the_log_goes_on(tmp_path: Path) -> None:
    async def steps(committer: Committer, log: DecisionLog) -> None:
        committer.active = 5
        answered: list[Decision] = []

        async def put(one: Decision) -> None:
            try:
                await committer.put(one)
                answered.append(one)
            except StorageError:
                pass

        tasks = [asyncio.create_task(put(_decision())) for _ in range(300)]
        await asyncio.sleep(0)
        assert committer.process is not None
        committer.process.kill()
        await asyncio.gather(*tasks)
        for one in answered:
            assert log.get(one.id) == one
        last = _decision()
        async with asyncio.timeout(10):
            while committer.apart:
                await asyncio.sleep(0.01)
        await committer.put(last)
        assert log.get(last.id) == last and await committer.writable()

    _run(tmp_path, steps)


def test_a_log_that_fails_is_told_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def steps(committer: Committer, log: DecisionLog) -> None:
        committer.active = 5
        await committer.put(_decision())
        name = tmp_path / "log.db-lock"
        name.rename(tmp_path / "away")
        name.mkdir()  # what each writer locks cannot be opened now
        with pytest.raises(FedCreditError):
            await committer.put(_decision())
        assert not await committer.writable()
        name.rmdir()
        (tmp_path / "away").rename(name)
        assert await committer.writable()
        await committer.put(_decision())

    _run(tmp_path, steps)


def test_room_changes_nothing_but_the_length(tmp_path: Path) -> None:
    with DecisionLog.open(tmp_path / "log.db", create=True) as log:
        one = _decision()
        log.append([one])
        ahead = tmp_path / "log.db-wal"
        reserve(tmp_path / "log.db")
        assert ahead.stat().st_size > 16_000_000
        assert log.get(one.id) == one and log.verify() == []
        log.append([_decision()])
        size = ahead.stat().st_size
        reserve(tmp_path / "log.db")
        assert ahead.stat().st_size == size and log.verify() == []
    with DecisionLog.open(tmp_path / "log.db") as log:
        assert log.counts()["decisions"] == 2
    reserve(tmp_path / "nothing.db")
    assert not (tmp_path / "nothing.db").exists()


@pytest.mark.slow
def test_a_service_over_postgresql(place: Any, run: Any, postgres: Any, schema: str) -> None:
    """Registry and log on a server: the password comes from the environment alone."""
    import httpx

    from fed_credit.registry.registry import Registry, Stage

    with Registry.open(schema, create=True) as registry:
        registry.register(place.models[1].body, actor="tests", reason="to be served")
        registry.move(1, Stage.CHAMPION, actor="tests", reason="to be served")
    changes = {"registry": schema, "decision_log": schema}
    with run(place, "--workers", "2", **changes) as service:
        body = {"loan": place.loan()}
        made = [
            httpx.post(f"{service.url}/v1/score", json=body, headers=service.headers()).json()
            for _ in range(20)
        ]
        assert httpx.get(f"{service.url}/readyz").status_code == 200
    assert postgres.password not in service.log.read_text()
    with DecisionLog.open(schema) as log:
        assert log.verify() == []
        for answer in made:
            assert log.get(answer["id"]).pd == answer["pd"]
