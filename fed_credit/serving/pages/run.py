"""One run, laid out: rounds, who answered, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fed_credit.reporting.html.svg import Plot, Style
from fed_credit.serving.pages.parts import Cell, Figure, Table, Tile
from fed_credit.serving.pages.run_folder import OWN, POOLED, Exchange, RunFolder
from fed_credit.serving.pages.runs import (
    bounded,
    moment_of,
    rounds_of,
    status_of,
    time_taken,
)
from fed_credit.serving.pages.speech import NONE, Speech
from fed_credit.serving.superlink import Standing

_MOST_COLUMNS = 30
_MOST_MISSED = 100
_LINE = Style("#0072B2", width=2.2)
_KEPT = Style("#D55E00", mark="diamond")
_HIGHER = frozenset({"auc", "gini", "ks", "pr_auc"})


@dataclass(frozen=True)
class RunPage:
    """One run.

    Parameters
    ----------
    name : str
        Its name.
    status : str
        Class of its state.
    word : str
        Its state in words.
    why : str
        Why it failed; empty otherwise.
    tiles : tuple of Tile
        At a glance.
    figures : tuple of Figure
        Loss and AUC by round.
    participation : Table or None
        Who answered, by exchange; None before the first.
    missed : Table or None
        Who did not and why.
    shares : Table or None
        How often each bank answered.
    pooled : Table or None
        Metrics over all test loans, with their bounds; None before the end.
    own : Table or None
        What banks let out of their own; None if none did.
    settings : Table
        What was asked for.
    """

    name: str
    status: str
    word: str
    why: str
    tiles: tuple[Tile, ...]
    figures: tuple[Figure, ...]
    participation: Table | None
    missed: Table | None
    shares: Table | None
    pooled: Table | None
    own: Table | None
    settings: Table


def run_page(run: RunFolder, standing: Standing, say: Speech) -> RunPage:
    """Lay out one run.

    Parameters
    ----------
    run : RunFolder
        The run.
    standing : Standing
        What the SuperLink says.
    say : Speech
        The language.

    Returns
    -------
    RunPage
    """
    status = status_of(run, standing)
    told = standing.runs.get(run.name)
    why = str(told["reason"] or "") if told is not None else ""
    results = run.results
    return RunPage(
        name=run.name,
        status=status,
        word=say(f"status.{status}"),
        why=why,
        tiles=_tiles(run, standing, say),
        figures=tuple(_by_round(run, name, say) for name in ("loss", "auc") if run.rounds),
        participation=_participation(run, say) if run.exchanges else None,
        missed=_missed(run.exchanges, say),
        shares=_shares(run, say) if run.exchanges else None,
        pooled=_pooled(run, say) if results is not None else None,
        own=_own(results.own, say) if results is not None and results.own else None,
        settings=_settings(run, say),
    )


def _tiles(run: RunFolder, standing: Standing, say: Speech) -> tuple[Tile, ...]:
    last = run.rounds[-1] if run.rounds else None
    absences = sum(len(one.missing) for one in run.exchanges)
    tiles = [
        Tile(say("runs.rounds"), rounds_of(run)),
        Tile(say("runs.banks"), say.count(len(run.banks)) if run.banks else NONE),
        Tile(
            say("runs.exchanges"),
            say.count(len(run.exchanges)),
            say("runs.absent_n", n=absences),
            "watch" if absences else "",
        ),
        Tile(
            say("runs.took"),
            say.seconds(time_taken(run, standing)),
            moment_of(run.begun, say),
        ),
    ]
    auc = run.results.pooled.get("auc") if run.results else None
    if auc is not None:
        tiles.append(Tile(say("runs.auc"), bounded(auc.value, auc.bound, say)))
    elif last is not None:
        tiles.append(Tile(say("runs.auc_so_far"), say.number(last.auc), say("part.validation")))
    return tuple(tiles)


def _by_round(run: RunFolder, name: str, say: Speech) -> Figure:
    values = [getattr(one, name) for one in run.rounds]
    known = [value for value in values if value is not None] or [0.0, 1.0]
    pad = 0.08 * (max(known) - min(known)) or 0.05
    numbers = [float(one.number) for one in run.rounds]
    most = max(numbers[-1], 2.0)
    step = max(1, -(-int(most) // 6))
    plot = Plot(
        say.text(f"runs.{name}_title"),
        say.text("runs.round"),
        say.text(f"runs.{name}_axis"),
        (1.0, most),
        (min(known) - pad, max(known) + pad),
        x_ticks=[float(k) for k in range(1, int(most) + 1, step)],
        height=240,
    )
    plot.line(numbers, values, _LINE, marks=len(numbers) < 20)
    kept = run.results.best_round if run.results else None
    read = say(f"runs.{name}_read")
    for number, value in zip(numbers, values, strict=True):
        if number == kept and value is not None:
            plot.mark(number, value, _KEPT, 5.5)
            read += say("runs.kept", n=kept)
    return Figure(say(f"runs.{name}_title"), read, plot.render())


def _participation(run: RunFolder, say: Speech) -> Table:
    shown = run.exchanges[-_MOST_COLUMNS:]
    header = [say("runs.bank"), *(_exchange_name(one, say) for one in shown)]
    rows = [[Cell(bank), *(_attended(bank, one, say) for one in shown)] for bank in run.banks]
    slowest = max((one.seconds for one in shown), default=0.0) or 1.0
    rows.append(
        [
            Cell(say("runs.seconds")),
            *(
                Cell(say.number(one.seconds, 1), f"s{min(int(4 * one.seconds / slowest), 3)}")
                for one in shown
            ),
        ]
    )
    caption = say("runs.participation_caption")
    if len(run.exchanges) > len(shown):
        caption += say("runs.participation_cut", n=len(shown), all=len(run.exchanges))
    return Table("participation", header, rows, caption, heat=True)


def _attended(bank: str, one: Exchange, say: Speech) -> Cell:
    if bank in one.answered:
        return Cell("✓", "answered", title=say("runs.answered"))
    if bank in one.missing:
        return Cell("✕", "alert", title=one.missing[bank])
    return Cell("", "too_few", title=say("runs.not_asked"))


def _exchange_name(one: Exchange, say: Speech) -> str:
    word = say.word("task", one.task)
    return f"{word} {one.number}" if one.number else word


def _missed(exchanges: Sequence[Exchange], say: Speech) -> Table | None:
    rows = [
        [
            Cell(bank),
            Cell(_exchange_name(one, say)),
            Cell(why),
            Cell(moment_of(one.ended, say)),
        ]
        for one in reversed(exchanges)
        for bank, why in one.missing.items()
    ]
    if not rows:
        return None
    header = [say(f"runs.{name}") for name in ("bank", "exchange", "why", "when")]
    caption = say("runs.missed_caption")
    return Table("missed", header, rows[:_MOST_MISSED], caption, frozenset({1, 2, 3}))


def _shares(run: RunFolder, say: Speech) -> Table:
    answered = Counter(bank for one in run.exchanges for bank in one.answered)
    missing = Counter(bank for one in run.exchanges for bank in one.missing)
    rows = [
        [
            Cell(bank),
            Cell(say.count(answered[bank])),
            Cell(say.count(missing[bank]), "alert" if missing[bank] else ""),
            Cell(say.percent(answered[bank] / (answered[bank] + missing[bank]), 0)),
        ]
        for bank in run.banks
    ]
    keys = ("bank", "answers", "absences", "share")
    return Table("shares", [say(f"runs.{name}") for name in keys], rows)


def _pooled(run: RunFolder, say: Speech) -> Table:
    assert run.results is not None
    rows = [
        [
            Cell(say(f"metric.{name}")),
            Cell(say.number(one.value, 4)),
            Cell("±\N{NO-BREAK SPACE}" + _bound(one.bound)),
            Cell(say("runs.higher" if name in _HIGHER else "runs.lower")),
        ]
        for name in POOLED
        if (one := run.results.pooled.get(name)) is not None
    ]
    caption = say("runs.pooled_caption", loans=say.count(run.results.loans))
    keys = ("metric", "value", "bound", "better")
    return Table("pooled", [say(f"runs.{key}") for key in keys], rows, caption, frozenset({3}))


def _bound(bound: float | None) -> str:
    if bound is None:
        return NONE
    return f"{bound:.4f}" if bound >= 5e-5 or bound == 0 else "0.0001"


def _own(own: Mapping[str, Mapping[str, float]], say: Speech) -> Table:
    names = [name for name in OWN if any(name in figures for figures in own.values())]
    rows = [
        [
            Cell(bank),
            *(
                Cell(say.number(figures.get(name), 0 if name in ("loans", "bads") else 4))
                for name in names
            ),
        ]
        for bank, figures in sorted(own.items())
    ]
    words = {"loans": say("drift.loans"), "bads": say("drift.bads")}
    header = [say("runs.bank"), *(words.get(name) or say(f"metric.{name}") for name in names)]
    return Table("own", header, rows, say("runs.own_caption"))


def _settings(run: RunFolder, say: Speech) -> Table:
    plan = run.plan
    pairs = [
        ("family", say.word("family", plan.family)),
        ("strategy", plan.strategy),
        ("schema", plan.schema),
        ("split", say.word("split", plan.split)),
        ("planned", say.count(plan.rounds)),
        ("quorum", say.percent(plan.quorum, 0)),
        ("seed", NONE if plan.seed is None else str(plan.seed)),
        ("sha256", run.results.sha256 if run.results else NONE),
    ]
    rows = [[Cell(say(f"runs.{name}")), Cell(value)] for name, value in pairs]
    header = [say("runs.setting"), say("runs.value")]
    return Table("settings", header, rows, words=frozenset({1}))
