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
    path: Path, steps: Callable[[Committer, DecisionLog], Awaitable[None]], *, alone: bool = False
) -> None:
    async def go() -> None:
        with DecisionLog.open(path / "log.db", create=True) as log:
            committer = Committer(log, str(path / "log.db"), True)
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


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("active", [1, 5])
def test_what_is_put_is_there_as_it_was(tmp_path: Path, alone: bool, active: int) -> None:
    async def steps(committer: Committer, log: DecisionLog) -> None:
        committer.active = active
        made = [_decision() for _ in range(60)]
        await asyncio.gather(*(committer.put(one) for one in made[:40]))
        await committer.put(*made[40:])
        for one in made:
            assert log.get(one.id) == one

    _run(tmp_path, steps, alone=alone)


@pytest.mark.parametrize("active", [1, 5])
def test_an_id_that_is_there_is_one_requests_trouble(tmp_path: Path, active: int) -> None:
    async def steps(committer: Committer, log: DecisionLog) -> None:
        committer.active = active
        first = _decision()
        await committer.put(first)
        made = [_decision() for _ in range(20)]
        made[7] = first
        told = await asyncio.gather(*(committer.put(one) for one in made), return_exceptions=True)
        assert [type(one) for one in told].count(DuplicateError) == 1
        assert isinstance(told[7], DuplicateError)
        assert {one.id for one in log.recent(50)} == {one.id for one in made}
        assert await committer.writable()

    _run(tmp_path, steps)


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
def test_a_service_over_postgresql(
    place: Any, run: Any, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Registry and log on a server: the password comes from the environment alone."""
    import httpx

    from fed_credit.registry.registry import Registry, Stage

    postgres.sign_in(monkeypatch)
    with Registry.open(postgres.url, create=True) as registry:
        registry.register(place.models[1].body, actor="tests", reason="to be served")
        registry.move(1, Stage.CHAMPION, actor="tests", reason="to be served")
    changes = {"registry": postgres.url, "decision_log": postgres.url}
    with run(place, "--workers", "2", **changes) as service:
        body = {"loan": place.loan()}
        made = [
            httpx.post(f"{service.url}/v1/score", json=body, headers=service.headers()).json()
            for _ in range(20)
        ]
        assert httpx.get(f"{service.url}/readyz").status_code == 200
    assert postgres.password not in service.log.read_text()
    with DecisionLog.open(postgres.url) as log:
        assert log.verify() == []
        for answer in made:
            assert log.get(answer["id"]).pd == answer["pd"]
