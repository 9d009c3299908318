"""The registry's history: which version stands where, who put it there, when and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fed_credit.registry.registry import Event, Stage, Version
from fed_credit.serving.pages.parts import Cell, Table, state
from fed_credit.serving.pages.speech import Speech

_RETRAINING = "retraining"
_MEASURES = ("auc", "brier", "log_loss")


@dataclass(frozen=True)
class Story:
    """One event as it is told.

    Parameters
    ----------
    time, title, reason, actor : str
        When, what, why and who.
    stage : str
        Where the version stands since; class of its colour.
    reasons : tuple of str
        Sentences of a retraining's gate.
    facts : tuple of (str, str)
        What else is known of a retraining.
    gate : tuple of Table
        Its figures, over all loans and by bank.
    hash : str
        Of the event.
    """

    time: str
    title: str
    reason: str
    actor: str
    stage: str
    reasons: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    gate: tuple[Table, ...]
    hash: str


def versions_table(versions: Sequence[Version], events: Sequence[Event], say: Speech) -> Table:
    """Lay out the versions, newest first; why they were registered, the events tell."""
    first = {event.version: _reason(event, say) for event in newest_first(events)}
    rows = [
        [
            Cell(say("history.version_n", n=one.number)),
            Cell(state(one.stage, say(f"stage.{one.stage}"))),
            Cell(say.word("family", one.family)),
            Cell(say.moment(one.registered)),
            Cell(one.by),
            Cell(first.get(one.number, one.reason)),
            Cell(one.sha256[:12], title=one.sha256),
        ]
        for one in sorted(versions, key=lambda one: -one.number)
    ]
    keys = ("version", "stage", "family", "registered", "by", "reason", "sha256")
    header = [say(f"history.{name}") for name in keys]
    return Table("versions", header, rows, words=frozenset({1, 2, 3, 4, 5, 6}))


def stories(events: Sequence[Event], say: Speech) -> list[Story]:
    """Tell the events, newest first."""
    return [_story(event, say) for event in newest_first(events)]


def newest_first(events: Sequence[Event]) -> list[Event]:
    """Return events, newest first."""
    return sorted(events, key=lambda one: -one.number)


def _told(event: Event) -> Mapping[str, Any]:
    """Return what a retraining recorded; empty for other events."""
    found = event.details.get(_RETRAINING)
    return found if isinstance(found, Mapping) else {}


def _reason(event: Event, say: Speech) -> str:
    # A retraining's reason repeats, in English, the sentences of the gate.
    told = _told(event)
    if not told:
        return event.reason
    handed = any(one["kind"] == "handed" for one in told.get("triggers", ()))
    key = "history.stood" if handed else "history.retrained"
    return say(key, as_of=say.day(told["as_of"]))


def _story(event: Event, say: Speech) -> Story:
    told = _told(event)
    gate = told.get("gate")
    reasons = tuple(say.pick(reason) for reason in told.get("reasons", ()))
    return Story(
        time=say.moment(event.time),
        title=_title(event, say),
        reason=_reason(event, say),
        actor=event.actor,
        stage=str(event.after),
        reasons=reasons,
        facts=tuple(_facts(told, say)),
        gate=tuple(_gate(gate, say)) if isinstance(gate, Mapping) else (),
        hash=event.hash,
    )


def _title(event: Event, say: Speech) -> str:
    after = say(f"stage.{event.after}")
    if event.before is None:
        return say("history.entered", n=event.version, stage=after)
    key = f"history.kind_{event.kind}"
    before = say(f"stage.{Stage(event.before)}")
    if say.has(key):
        return say(key, n=event.version, before=before, after=after)
    return say("history.moved", n=event.version, before=before, after=after)


def _facts(told: Mapping[str, Any], say: Speech) -> list[tuple[str, str]]:
    if not told:
        return []
    triggers = [
        say.word("trigger", str(one["kind"])) + _why(one, say) for one in told.get("triggers", ())
    ]
    vintage, warm = told.get("vintage"), told.get("warm_start")
    facts = [(say("history.triggers"), say.listed(triggers))] if triggers else []
    if vintage:
        days = say("history.until", first=say.day(vintage["first"]), end=say.day(vintage["end"]))
        facts.append((say("history.vintage"), days))
    if warm:
        used = say("common.yes" if warm["used"] else "common.no")
        facts.append((say("history.warm"), used))
    if told.get("seconds") is not None:
        facts.append((say("history.took"), say.seconds(told["seconds"])))
    if told.get("run"):
        facts.append((say("history.run"), str(told["run"])))
    return facts


def _why(trigger: Mapping[str, Any], say: Speech) -> str:
    why = trigger.get("why")
    if not isinstance(why, Mapping):
        return ""
    return say("history.because", why=say.pick({str(k): str(v) for k, v in why.items()}))


def _gate(gate: Mapping[str, Any], say: Speech) -> list[Table]:
    overall = gate["overall"]
    keys = ("measure", "champion", "challenger", "gain", "interval")
    rows = [
        [
            Cell(say(f"metric.{name}")),
            Cell(say.number(overall["champion"][name], 4)),
            Cell(say.number(overall["challenger"][name], 4)),
            *_gain(overall["gain"][name], say),
        ]
        for name in _MEASURES
        if name in overall["gain"]
    ]
    caption = say("history.gate", loans=say.count(overall["loans"]), bads=overall["bads"])
    tables = [Table("gate", [say(f"history.{key}") for key in keys], rows, caption)]
    measure = str(gate["measure"])
    banks = [
        [
            Cell(str(bank["name"])),
            Cell(say.count(bank["gain"]["loans"])),
            Cell(say.count(bank["gain"]["bads"])),
            *_gain(bank["gain"]["gain"][measure], say),
            Cell(say.word("bank_state", str(bank["state"]).replace(" ", "_"))),
        ]
        for bank in gate.get("banks", ())
    ]
    if banks:
        columns = ("bank", "loans", "bads", "gain", "interval", "bank_state")
        header = [say(f"history.{name}") for name in columns]
        caption = say("history.gate_banks", measure=say(f"metric.{measure}"))
        tables.append(Table("gate-banks", header, banks, caption, frozenset({5})))
    return tables


def _gain(interval: Mapping[str, float | None], say: Speech) -> list[Cell]:
    value, low, high = (interval[key] for key in ("value", "lo", "hi"))
    if value is None or low is None or high is None:
        return [Cell(say.number(None)), Cell("")]
    tone = "ok" if low > 0 else "alert" if high < 0 else ""
    return [Cell(f"{value:+.4f}", tone), Cell(f"[{low:+.4f}, {high:+.4f}]")]
