"""The registry: moves, roll-back, history, and what several processes do at once."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from fed_credit.errors import ArtefactError, RegistryError, StorageError
from fed_credit.registry.records import Event, Stage
from fed_credit.registry.registry import Registry

CANDIDATE, CHAMPION = Stage.CANDIDATE, Stage.CHAMPION
CHALLENGER, RETIRED = Stage.CHALLENGER, Stage.RETIRED
WHO = {"actor": "Li Na", "reason": "It is better."}

AtOnce = Callable[[Sequence[Callable[[], Any]]], list[Any]]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, model_bodies: tuple[bytes, ...]) -> Path:
    """A file with three candidates."""
    path = tmp_path_factory.mktemp("template") / "registry.db"
    _fill(str(path), model_bodies)
    return path


def _fill(where: str, bodies: tuple[bytes, ...]) -> None:
    with Registry.open(where, create=True) as opened:
        for number, body in enumerate(bodies[:3], 1):
            assert opened.register(body, actor="Li Na", reason=f"Run {number}.").number == number


@pytest.fixture(params=["file"])
def where(request: pytest.FixtureRequest, tmp_path: Path, model_bodies: tuple[bytes, ...]) -> str:
    """A registry with three candidates; also on a server, for tests marked with :data:`both`."""
    if request.param == "server":
        place = str(request.getfixturevalue("schema"))
        _fill(place, model_bodies)
        return place
    copy = tmp_path / "registry.db"
    shutil.copyfile(request.getfixturevalue("template"), copy)
    return str(copy)


both = pytest.mark.parametrize("where", ["file", "server"], indirect=True)


@pytest.fixture
def registry(where: str) -> Iterator[Registry]:
    """The registry, opened."""
    with Registry.open(where) as opened:
        yield opened


def stages(registry: Registry) -> list[Stage]:
    return [version.stage for version in registry.versions()]


@both
def test_a_model_is_kept_as_it_was_given(
    registry: Registry, model_bodies: tuple[bytes, ...]
) -> None:
    assert registry.body(2) == model_bodies[1]
    opened = registry.model(2)
    assert (opened.sha256, opened.body) == (registry.version(2).sha256, model_bodies[1])
    assert registry.version(2).family == "scorecard"
    assert (registry.version(2).by, registry.version(2).reason) == ("Li Na", "Run 2.")


def test_the_same_model_keeps_its_number(
    registry: Registry, model_bodies: tuple[bytes, ...]
) -> None:
    before = registry.latest()
    assert registry.register(model_bodies[1], actor="Wang", reason="Again.") == registry.version(2)
    assert registry.latest() == before
    moved = registry.register(model_bodies[1], stage=CHALLENGER, actor="Wang", reason="Again.")
    assert (moved.number, moved.stage) == (2, CHALLENGER)
    assert registry.latest() == before + 1


def test_what_is_no_model_is_not_registered(
    registry: Registry, model_bodies: tuple[bytes, ...]
) -> None:
    broken = bytearray(model_bodies[3])
    broken[len(broken) // 2] ^= 1
    for body in (b"no model", bytes(broken), model_bodies[3][:-10]):
        with pytest.raises(ArtefactError):
            registry.register(body, **WHO)
    assert len(registry.versions()) == 3
    assert registry.verify() == []


@both
def test_a_new_champion_retires_the_former_with_its_reason(registry: Registry) -> None:
    registry.move(1, CHAMPION, **WHO)
    event = registry.move(2, CHAMPION, actor="Wang", reason="AUC 0.81.", details={"auc": 0.81})
    assert stages(registry) == [RETIRED, CHAMPION, CANDIDATE]
    replaced, promoted = registry.history()[-2:]
    assert promoted == event
    assert (event.kind, event.before, event.after) == ("promoted", CANDIDATE, CHAMPION)
    assert (event.actor, event.reason, event.details) == ("Wang", "AUC 0.81.", {"auc": 0.81})
    assert (replaced.kind, replaced.version, replaced.after) == ("replaced", 1, RETIRED)
    assert replaced.time == promoted.time
    champion = registry.champion()
    assert champion is not None
    assert (champion.number, registry.challenger()) == (2, None)


def test_there_is_one_challenger_and_it_can_become_champion(registry: Registry) -> None:
    registry.move(1, CHAMPION, **WHO)
    registry.move(2, CHALLENGER, **WHO)
    registry.move(3, CHALLENGER, **WHO)
    assert stages(registry) == [CHAMPION, RETIRED, CHALLENGER]
    registry.move(3, CHAMPION, **WHO)
    assert stages(registry) == [RETIRED, RETIRED, CHAMPION]
    assert registry.challenger() is None


@pytest.mark.parametrize(
    ("moves", "said"),
    [
        ([(1, CANDIDATE)], "Version 1 is candidate already"),
        ([(1, CHAMPION), (1, CHALLENGER)], "it can become retired"),
        ([(1, CHAMPION), (1, CANDIDATE)], "Version 1 is champion and cannot become candidate"),
        ([(1, RETIRED), (1, CHAMPION)], "can become candidate .or, if it was champion before"),
        ([(7, CHAMPION)], "has no version 7; fed-credit registry list"),
    ],
)
def test_what_is_not_allowed_changes_nothing(
    registry: Registry, moves: list[tuple[int, Stage]], said: str
) -> None:
    for number, stage in moves[:-1]:
        registry.move(number, stage, **WHO)
    before = registry.history()
    number, stage = moves[-1]
    with pytest.raises(RegistryError, match=said):
        registry.move(number, stage, **WHO)
    assert registry.history() == before


@pytest.mark.parametrize(("actor", "reason"), [("Li Na", " "), ("", "Why not.")])
def test_who_and_why_are_asked_for(registry: Registry, actor: str, reason: str) -> None:
    with pytest.raises(RegistryError, match="needs a"):
        registry.move(1, CHAMPION, actor=actor, reason=reason)
    with pytest.raises(RegistryError, match="needs a"):
        registry.roll_back(actor=actor, reason=reason)
    assert stages(registry) == [CANDIDATE] * 3


def test_a_roll_back_goes_further_back_each_time(registry: Registry) -> None:
    for number in (1, 2, 3):
        registry.move(number, CHAMPION, **WHO)
    event = registry.roll_back(actor="Wang", reason="It declines everybody.")
    assert (event.kind, event.version, event.before) == ("rolled_back", 2, RETIRED)
    assert stages(registry) == [RETIRED, CHAMPION, RETIRED]
    assert registry.roll_back(**WHO).version == 1
    with pytest.raises(RegistryError, match="no champion before this one"):
        registry.roll_back(**WHO)
    # One that comes after a roll-back has the one before it, not what was rolled back.
    registry.move(3, CANDIDATE, **WHO)
    registry.move(3, CHAMPION, **WHO)
    assert registry.roll_back(**WHO).version == 1


def test_after_the_champion_was_retired_a_roll_back_brings_the_one_before(
    registry: Registry,
) -> None:
    registry.move(1, CHAMPION, **WHO)
    registry.move(2, CHAMPION, **WHO)
    registry.move(2, RETIRED, **WHO)
    assert registry.champion() is None
    assert registry.roll_back(**WHO).version == 1
    assert stages(registry) == [CHAMPION, RETIRED, CANDIDATE]


def test_history_is_of_one_version_or_of_all(registry: Registry) -> None:
    registry.move(2, CHAMPION, **WHO)
    assert [event.number for event in registry.history()] == [1, 2, 3, 4]
    assert [event.kind for event in registry.history(2)] == ["registered", "promoted"]
    assert registry.latest() == 4
    with pytest.raises(RegistryError, match="has no version 9"):
        registry.history(9)


@both
def test_texts_of_any_kind_come_back(registry: Registry) -> None:
    reason = "坏账率下降 \x00 \ud800 'quoted' \"twice\"\n"
    details = {"数": [1, 2.5, None, True], "nan": float("nan")}
    event = registry.move(1, CHAMPION, actor="李娜", reason=reason, details=details)
    (last,) = registry.history()[-1:]
    assert (last.actor, last.reason, last.hash) == ("李娜", reason, event.hash)
    assert last.details == {"数": [1, 2.5, None, True], "nan": None}
    assert registry.verify() == []


@both
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE registry_events SET content = '{}' WHERE number = 1",
        "DELETE FROM registry_events WHERE number = 3",
        "DELETE FROM registry_models",
        "UPDATE registry_models SET body = body",
    ],
)
def test_nothing_is_changed_or_removed(registry: Registry, statement: str) -> None:
    with (
        pytest.raises(StorageError, match="append-only"),
        registry._database.writing() as connection,
    ):
        connection.execute(text(statement))
    assert registry.verify() == []


FORGERIES = {
    "UPDATE registry_events SET content = replace(content, 'Run 2', 'Run 9') WHERE number = 2": (
        "event 2 does not fit its hash"
    ),
    "DELETE FROM registry_events WHERE number = 2": "before event 3, 1 is missing",
    "DELETE FROM registry_events WHERE number = 3": "the end was cut off",
    "DELETE FROM registry_models WHERE number = 3": "the file of version 3 is missing",
    "UPDATE registry_models SET body = (SELECT body FROM registry_models WHERE number = 1)"
    " WHERE number = 2": "the file of version 2 is not the one that was registered",
    "UPDATE registry_models SET sha256 = 'a' WHERE number = 2": "under another model's hash",
}


@pytest.mark.parametrize("statement", FORGERIES)
def test_what_was_changed_around_the_triggers_is_found(registry: Registry, statement: str) -> None:
    _drop_triggers(registry)
    with registry._database.writing() as connection:
        connection.execute(text(statement))
    assert FORGERIES[statement] in "; ".join(registry.verify())


def test_a_hash_noted_elsewhere_finds_a_history_made_anew(
    registry: Registry, tmp_path: Path, model_bodies: tuple[bytes, ...]
) -> None:
    noted = registry.end().hash
    assert registry.verify(anchor=noted[:12]) == []
    with Registry.open(tmp_path / "forged.db", create=True) as forged:
        for body in model_bodies[:3]:
            forged.register(body, actor="Somebody", reason="Other.")
        assert forged.verify() == []
        assert forged.verify(anchor=noted) == [f"no event has the hash {noted}"]


def _drop_triggers(registry: Registry) -> None:
    with registry._database.writing() as connection:
        if connection.dialect.name == "sqlite":
            names = connection.scalars(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            ).all()
            for name in names:
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            for table in ("registry_events", "registry_models"):
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))


@both
def test_a_forgery_on_either_database_is_found(registry: Registry) -> None:
    _drop_triggers(registry)
    with registry._database.writing() as connection:
        connection.execute(text("DELETE FROM registry_events WHERE number = 2"))
    assert registry.verify() == [
        "before event 3, 1 is missing",
        "version 2 has a file and was never registered",
    ]


def _promote(where: str, number: int, times: int) -> list[Event]:
    done = []
    with Registry.open(where) as registry:
        for _ in range(times):
            if registry.version(number).stage is RETIRED:
                registry.move(number, CANDIDATE, **WHO)
            try:
                done.append(registry.move(number, CHAMPION, **WHO))
            except RegistryError:
                assert registry.champion() is not None
    return done


@both
def test_processes_that_promote_at_once(registry: Registry, where: str, at_once: AtOnce) -> None:
    """After each event there is one champion at most, whoever was quicker."""
    told = at_once([partial(_promote, where, number, 10) for number in (1, 2, 3)])
    assert all(isinstance(done, list) and done for done in told)
    assert registry.verify() == []  # which counts champions after each event
    assert Counter(stages(registry))[CHAMPION] == 1
    last = max((event for done in told for event in done), key=lambda event: event.number)
    champion = registry.champion()
    assert champion is not None
    assert champion.number == last.version


def _register(where: str, bodies: Sequence[bytes]) -> list[int]:
    with Registry.open(where, create=True) as registry:
        return [registry.register(body, **WHO).number for body in bodies]


@pytest.mark.parametrize("place", ["file", "server"])
def test_processes_that_register_the_same_at_once(
    place: str,
    tmp_path: Path,
    model_bodies: tuple[bytes, ...],
    at_once: AtOnce,
    request: pytest.FixtureRequest,
) -> None:
    where = tmp_path / "new.db" if place == "file" else request.getfixturevalue("schema")
    told = at_once([partial(_register, str(where), model_bodies[:2])] * 4)
    assert {tuple(numbers) for numbers in told} == {(1, 2)}
    with Registry.open(where) as registry:
        assert [event.kind for event in registry.history()] == ["registered"] * 2
        assert registry.verify() == []
