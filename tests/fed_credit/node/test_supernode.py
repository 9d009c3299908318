from __future__ import annotations

import io
import subprocess
import sys
import time
import zipfile
from types import ModuleType, SimpleNamespace

import pytest
from flwr.supercore.inflatable import inflatable_utils
from flwr.supercore.superexec import run_superexec
from flwr.supernode import start_client_internal

from fed_credit.node import superexec
from fed_credit.node.bundle import CLIENT_APP
from fed_credit.node.superexec import FLOWER_COMMAND, Bell
from fed_credit.node.supernode import (
    BUSY_SECONDS,
    FLOWER_IDLE,
    FLOWER_REPLY,
    LEANED_ON,
    StuckError,
    Waits,
    fit,
)
from fed_credit.runtime.pulls import FIRST_WAIT, pull_promptly
from tests.fed_credit.node.rig import bundle


class Clock:
    """A time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def waits(self, poll: float | None, patience: float = 900.0) -> Waits:
        return Waits(poll, patience, self.sleep, lambda: self.now)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Flower's module, put back after the test."""
    for name in LEANED_ON:
        monkeypatch.setattr(start_client_internal, name, getattr(start_client_internal, name))
    return start_client_internal


def test_an_idle_node_asks_as_rarely_as_flower_does(clock: Clock) -> None:
    waits = clock.waits(0.25)
    waits.sleep(FLOWER_IDLE)
    waits.handling()
    clock.now += BUSY_SECONDS
    waits.sleep(FLOWER_IDLE)
    assert clock.slept == [3, 3]


def test_a_node_with_work_asks_often_until_two_minutes_after_the_last_message(
    clock: Clock,
) -> None:
    waits = clock.waits(0.25)
    waits.handling()
    waits.sleep(FLOWER_REPLY)
    for _ in range(500):
        waits.sleep(FLOWER_IDLE)
    often = clock.slept.count(0.25)
    assert often == pytest.approx(BUSY_SECONDS / 0.25, abs=1)
    assert set(clock.slept[1 + often :]) == {3}
    assert clock.slept[0] < 0.05


def test_without_a_poll_flowers_waits_stay(clock: Clock) -> None:
    waits = clock.waits(None)
    waits.handling()
    waits.sleep(FLOWER_REPLY)
    waits.sleep(FLOWER_IDLE)
    assert clock.slept == [0.5, 3]


def test_a_poll_above_flowers_own_makes_nothing_slower(clock: Clock) -> None:
    waits = clock.waits(60.0)
    waits.handling()
    waits.sleep(FLOWER_REPLY)
    waits.sleep(FLOWER_IDLE)
    assert clock.slept[0] <= 0.5
    assert clock.slept[1] == 3


@pytest.mark.parametrize("poll", [0.25, None])
def test_a_reply_that_is_overdue_ends_the_wait(clock: Clock, poll: float | None) -> None:
    waits = clock.waits(poll, patience=60.0)
    waits.handling()
    with pytest.raises(StuckError):
        for _ in range(100_000):
            waits.sleep(FLOWER_REPLY)
    assert clock.now == pytest.approx(1_060, abs=1)


def test_each_message_has_its_own_patience(clock: Clock) -> None:
    waits = clock.waits(0.25, patience=60.0)
    for _ in range(100):
        waits.handling()
        clock.now += 50.0
        waits.sleep(FLOWER_REPLY)


def test_the_installed_flower_has_the_names_that_are_leaned_on(module: ModuleType) -> None:
    # Flower's functions look each of them up by name, so that what stands there counts.
    loop = module.start_client_internal.__code__
    pull = module._pull_and_store_message.__code__
    push = module._push_messages.__code__
    assert fit(module, Waits(0.25, 900.0), lambda _: None) == []
    assert {"time", "subprocess", "_push_messages"} <= set(loop.co_names)
    assert "get_fused_config_from_fab" in pull.co_names
    assert {FLOWER_IDLE} <= set(loop.co_consts)
    assert {FLOWER_REPLY} <= set(push.co_consts)


def test_flowers_loop_waits_as_it_is_told(module: ModuleType) -> None:
    slept: list[float] = []
    assert fit(module, Waits(0.25, 900.0, slept.append), lambda _: None) == []

    class State:
        """Has no reply twice, and then the test has seen enough."""

        def get_messages_legacy(self, *, is_reply: bool) -> list[object]:
            if len(slept) == 2:
                raise KeyboardInterrupt
            return []

    with pytest.raises(KeyboardInterrupt):
        module._push_messages(state=State(), object_store=None, send=None, push_object=None)
    assert slept == [0.025, 0.025]


@pytest.mark.parametrize("name", LEANED_ON)
def test_another_flower_keeps_its_own_behaviour(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delattr(module, name)
    before = dict(vars(module))
    assert fit(module, Waits(0.25, 900.0), lambda _: None) == [name]
    assert vars(module) == before


def test_a_flower_whose_time_is_not_the_module_keeps_it(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=time.sleep))
    assert fit(module, Waits(0.25, 900.0), lambda _: None) == ["time"]


def test_superexec_is_started_as_before_and_shown(module: ModuleType) -> None:
    seen: list[subprocess.Popen[bytes]] = []
    fit(module, Waits(0.25, 900.0), seen.append)
    process = module.subprocess.Popen(["true"])
    assert seen == [process]
    assert process.wait(10) == 0


def test_superexec_hears_of_each_message(module: ModuleType) -> None:
    bell = Bell()
    fit(module, Waits(0.25, 900.0), lambda _: None, bell)
    other = module.subprocess.Popen(["true"])
    assert other.args == ["true"]
    process = module.subprocess.Popen([FLOWER_COMMAND, "--help"], stdout=subprocess.PIPE)
    assert b"Run Flower SuperExec" in process.stdout.read()
    process.stdout.close()
    assert process.wait(60) == 0
    state = SimpleNamespace(get_messages_legacy=lambda is_reply: 1 / 0)
    for _ in range(100_000):  # more than a pipe holds, and nobody listens any more
        bell.ring()
    with pytest.raises(ZeroDivisionError):
        module._push_messages(state=state, object_store=None, send=None, push_object=None)


def test_superexec_naps_until_the_bell_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_superexec, "time", run_superexec.time)
    assert superexec.fit(run_superexec)
    assert "time" in run_superexec.run_superexec.__code__.co_names
    code = (
        "import sys, time\nfrom fed_credit.node.superexec import nap\n"
        "for _ in range(4): nap(0.1); print(time.monotonic(), flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b".")
        process.stdin.flush()
        first, second = (float(process.stdout.readline()) for _ in range(2))
        assert second - first > 0.9  # nobody rang
        process.stdin.close()
        third, fourth = (float(process.stdout.readline()) for _ in range(2))
        assert fourth - third > 0.09


def test_another_superexec_keeps_its_own_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_superexec, "time", SimpleNamespace(sleep=time.sleep))
    before = run_superexec.time
    assert not superexec.fit(run_superexec)
    assert run_superexec.time is before


def test_a_bundle_that_cannot_be_used_gives_an_empty_configuration(module: ModuleType) -> None:
    fit(module, Waits(0.25, 900.0), lambda _: None)
    run = SimpleNamespace(override_config={"name": "x"})
    assert module.get_fused_config_from_fab(bundle(), run) == {"name": "x"}
    with_code = bundle(**{"fed_credit/__init__.py": b""})
    odd = [zipped(f"{_APP}config = {value}\n") for value in ("5", '"x"', "[1]", "{a = [1]}")]
    for bad in (b"", b"PK\x03\x04", with_code, *odd):
        assert module.get_fused_config_from_fab(bad, run) == {}


_APP = f'[tool.flwr.app]\ncomponents = {{clientapp = "{CLIENT_APP}"}}\n'


def zipped(project: str) -> bytes:
    """Make a bundle that Flower itself would not build."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("pyproject.toml", project)
    return buffer.getvalue()


def test_parts_of_a_message_are_asked_for_again_soon() -> None:
    functions = [
        inflatable_utils.pull_objects,
        inflatable_utils.pull_and_inflate_object_from_tree,
    ]
    before = [dict(function.__kwdefaults__) for function in functions]
    try:
        assert pull_promptly()
        tries = iter([inflatable_utils.ObjectUnavailableError("a")] * 5)

        def pull(object_id: str) -> bytes:
            for error in tries:
                raise error
            return b"there"

        start = time.monotonic()
        assert inflatable_utils.pull_objects(["a"], pull) == {"a": b"there"}
        # Flower's own waits come to 31 s.
        assert time.monotonic() - start < 15
        assert inflatable_utils.pull_objects.__kwdefaults__["initial_backoff"] == FIRST_WAIT
    finally:
        for function, defaults in zip(functions, before, strict=True):
            function.__kwdefaults__.update(defaults)
