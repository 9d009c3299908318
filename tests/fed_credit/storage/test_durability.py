"""``kill -9`` at any moment, many times: what was answered is there, nothing is half there.

It shows what a process's end can do, not what a power failure can: that rests on ``fsync``, which
the databases are told to use.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import cycle
from pathlib import Path

import pytest

from fed_credit.cli import main
from fed_credit.decision_log.committer import GroupCommitter
from fed_credit.decision_log.log import DecisionLog
from fed_credit.decision_log.records import Decision, new_id
from fed_credit.errors import RegistryError
from fed_credit.model_file.archive import open_model_file, write_bytes
from fed_credit.registry.records import Stage
from fed_credit.registry.registry import Registry
from fed_credit.serving.keys import KeyRing
from fed_credit.storage.clock import now

Tell = Callable[[str], None]
FORK = multiprocessing.get_context("fork")
LONGEST_S = 0.04
WHO = {"actor": "Li Na", "reason": "Due."}

often = pytest.mark.parametrize("times", [2, pytest.param(60, marks=pytest.mark.slow)])


class Victim:
    """A process that works until it is killed, and tells what it has done.

    Parameters
    ----------
    work : callable
        Gets a function that tells; what it told, it has told, however soon it dies.
    """

    def __init__(self, work: Callable[[Tell], None]) -> None:
        self._read, write = os.pipe()

        def run() -> None:
            os.close(self._read)
            work(lambda line: _all_of(write, f"{line}\n".encode()))

        self._process = FORK.Process(target=run)
        self._process.start()
        os.close(write)
        self._told = b""
        while b"\n" not in self._told:  # it works
            self._told += self._some()

    def kill(self) -> list[str]:
        """Kill it where it stands; return what it told."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.join(timeout=60)
        assert self._process.exitcode == -signal.SIGKILL
        while some := self._some(last=True):
            self._told += some
        os.close(self._read)
        return self._told.decode().splitlines()

    def _some(self, *, last: bool = False) -> bytes:
        some = os.read(self._read, 1 << 16)
        assert some or last, "it ended by itself"
        return some


def _all_of(file: int, line: bytes) -> None:
    assert os.write(file, line) == len(line)


def killed(
    work: Callable[[Tell], None], chance: random.Random, longest_s: float = LONGEST_S
) -> list[str]:
    """Let a process work for some milliseconds, kill it, and return what it told."""
    victim = Victim(work)
    time.sleep(chance.uniform(0, longest_s))
    return victim.kill()


def made(day: str = "") -> Decision:
    reason = {"feature": "firm_age", "value": 36.0, "amount": 21.0, "unit": "points"}
    return Decision(
        id=new_id(),
        time=now() if not day else f"{day}T00:00:00.000000Z",
        application=None,
        model=1,
        model_sha256="a" * 64,
        inputs={f"field_{k}": k / 7 for k in range(20)},
        model_pd=0.1,
        pd=0.2,
        score=600,
        grade="B",
        verdict="decline",
        reasons=({**reason, "en": "A reason.", "zh": "理由。"},) * 3,
        key="k1",
        shadow=None,
    )


def _append(where: str, tell: Tell) -> None:
    with DecisionLog.open(where) as log:
        for size in cycle((1, 3, 8)):
            decisions = [made() for _ in range(size)]
            log.append(decisions)
            tell(" ".join(one.id for one in decisions))


def _commit(where: str, tell: Tell) -> None:
    async def client(committer: GroupCommitter) -> None:
        while True:
            one = made()
            await committer.put(one)
            tell(one.id)

    async def serve() -> None:
        with DecisionLog.open(where) as log:
            committer = GroupCommitter(log)
            await asyncio.gather(*(client(committer) for _ in range(8)))

    asyncio.run(serve())


def _ids(log: DecisionLog) -> Counter[str]:
    return Counter(one.id for piece in log.read(None, None) for one in piece)


@often
@pytest.mark.parametrize("work", [_append, _commit])
def test_no_answered_decision_is_lost(
    tmp_path: Path, work: Callable[[str, Tell], None], times: int
) -> None:
    where, chance, answered = str(tmp_path / "decisions.db"), random.Random(7), set[str]()
    DecisionLog.open(where, create=True).close()
    for _ in range(times):
        told = killed(partial(work, where), chance)
        answered |= {id for line in told for id in line.split()}
        with DecisionLog.open(where) as log:
            there = _ids(log)
            assert answered <= set(there)
            assert set(there.values()) == {1}
            assert log.verify() == []


@often
def test_one_of_several_writers_is_killed_and_the_others_go_on(tmp_path: Path, times: int) -> None:
    where, chance = str(tmp_path / "decisions.db"), random.Random(8)
    DecisionLog.open(where, create=True).close()
    others = [Victim(partial(_append, where)), Victim(partial(_commit, where))]
    told = []
    for _ in range(times):
        told += killed(partial(_append, where), chance)
        with DecisionLog.open(where) as log:
            log.append([made()])  # nobody holds the log
    for other in others:
        told += other.kill()
    with DecisionLog.open(where) as log:
        assert {id for line in told for id in line.split()} <= set(_ids(log))
        assert log.verify() == []


@often
def test_no_answered_decision_is_lost_on_a_server(schema: str, times: int) -> None:
    chance, answered = random.Random(9), set[str]()
    DecisionLog.open(schema, create=True).close()
    for _ in range(times):
        told = killed(partial(_append, schema), chance)
        answered |= {id for line in told for id in line.split()}
    with DecisionLog.open(schema) as log:
        assert answered <= set(_ids(log))
        assert log.verify() == []


def _purge(where: str, tell: Tell) -> None:
    with DecisionLog.open(where) as log:
        while True:
            # What is young, of the last turn or of a process that was killed, stands before the old
            # of this one, and would keep it.
            log.purge("2100-01-01", actor="Li Na", reason="All of it.")
            log.append([made("2020-01-01") for _ in range(20)])
            log.append([made()])
            with_old = log.counts()["decisions"]
            log.purge("2021-01-01", actor="Li Na", reason="Due.")
            tell(f"{with_old}")


@often
def test_a_purge_is_done_or_not(tmp_path: Path, times: int) -> None:
    where, chance = str(tmp_path / "decisions.db"), random.Random(10)
    DecisionLog.open(where, create=True).close()
    for _ in range(times):
        killed(partial(_purge, where), chance)
        with DecisionLog.open(where) as log:
            assert log.verify() == []
            counts = log.counts()
            assert counts["decisions"] in (0, 1, 20, 21)
            assert counts["decisions"] + counts["purged"] == log.end().number


def _promote(where: str, bodies: tuple[bytes, ...], tell: Tell) -> None:
    with Registry.open(where) as registry:
        for number in cycle(range(1, len(bodies) + 1)):
            if number > len(registry.versions()):
                registry.register(bodies[number - 1], **WHO)
            champion = registry.champion()
            assert champion is not None
            if champion.number == number:
                continue
            if registry.version(number).stage is Stage.RETIRED:
                registry.move(number, Stage.CANDIDATE, **WHO)
            if registry.version(number).stage is Stage.CANDIDATE:  # else killed after that
                tell(f"{registry.move(number, Stage.CHALLENGER, **WHO).number}")
            tell(f"{registry.move(number, Stage.CHAMPION, **WHO).number}")
            try:
                tell(f"{registry.roll_back(**WHO).number}")
            except RegistryError:  # killed before, so that there is none to go back to
                continue


@often
def test_there_is_one_champion_whenever_a_promotion_is_killed(
    tmp_path: Path, model_bodies: tuple[bytes, ...], times: int
) -> None:
    where, chance, answered = str(tmp_path / "registry.db"), random.Random(11), 0
    with Registry.open(where, create=True) as registry:
        registry.register(model_bodies[0], stage=Stage.CHAMPION, **WHO)
    for _ in range(times):
        told = killed(partial(_promote, where, model_bodies), chance)
        answered = max(answered, *map(int, told))
        with Registry.open(where) as registry:
            assert registry.verify() == []
            assert registry.latest() >= answered
            held = Counter(version.stage for version in registry.versions())
            assert held[Stage.CHAMPION] == 1
            assert held[Stage.CHALLENGER] <= 1
            for version in registry.versions():
                assert registry.body(version.number) == model_bodies[version.number - 1]


@often
def test_a_new_registry_is_there_with_its_model_or_not_at_all(
    tmp_path: Path, model_bodies: tuple[bytes, ...], times: int
) -> None:
    chance = random.Random(12)

    def begin(where: Path, tell: Tell) -> None:
        tell("ready")
        with Registry.open(where, create=True) as registry:
            registry.register(model_bodies[0], stage=Stage.CHAMPION, **WHO)
        tell("there")
        time.sleep(60)

    for number in range(times):
        where = tmp_path / f"{number}.db"
        told = killed(partial(begin, where), chance, 0.15)
        with Registry.open(where, create=True) as registry:
            assert registry.verify() == []
            stages = [version.stage for version in registry.versions()]
            assert stages == [Stage.CHAMPION] if "there" in told else stages in ([], ["champion"])


@often
def test_a_models_file_is_the_old_or_the_new_one(
    tmp_path: Path, model_bodies: tuple[bytes, ...], times: int
) -> None:
    path, chance = tmp_path / "model.fcm", random.Random(13)

    def write(tell: Tell) -> None:
        for body in cycle(model_bodies[:2]):
            write_bytes(path, body)
            tell("written")

    for _ in range(times):
        killed(write, chance)
        assert open_model_file(path).body in model_bodies[:2]
        for rest in tmp_path.glob(".*.part"):  # of the killed one; nobody takes it for a model
            rest.unlink()
        assert list(tmp_path.iterdir()) == [path]


@often
def test_a_policy_is_edited_or_not(
    tmp_path: Path, model_bodies: tuple[bytes, ...], times: int
) -> None:
    source, out, chance = tmp_path / "model.fcm", tmp_path / "own.fcm", random.Random(14)
    source.write_bytes(model_bodies[0])

    def edit(tell: Tell) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what the command prints
        for number in cycle(range(1, 50)):
            cut = f"{0.04 + number / 1000}"
            main(["model", "edit", str(source), "--approve-below", cut, "--out", str(out)])
            tell(cut)

    for _ in range(times):
        killed(edit, chance, 0.15)
        open_model_file(out)
    assert source.read_bytes() == model_bodies[0]


@often
def test_a_key_that_was_shown_holds(tmp_path: Path, times: int) -> None:
    path, chance, shown = tmp_path / "api_keys.json", random.Random(15), list[str]()

    def add(tell: Tell) -> None:
        ring = KeyRing.load(path)
        while True:
            tell(ring.add("Branch 3")[1])

    for _ in range(times):
        shown += killed(add, chance)
        ring = KeyRing.load(path)
        assert all(ring.check(secret) for secret in shown)
