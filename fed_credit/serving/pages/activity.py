"""What happens at the desk, from the decision log: the last days as tiles and charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from fed_credit.decision_log.days import Day
from fed_credit.reporting.html.svg import Plot, Style
from fed_credit.reporting.html.texts import same
from fed_credit.serving.pages.parts import Figure, Tile, every, key
from fed_credit.serving.pages.speech import Speech

DAYS = 30
_APPROVED, _REFERRED, _DECLINED = "#2f8f73", "#e9b949", "#d3733f"
_RATE = Style("#0072B2", width=2.2)
_PD = Style("#D55E00", "7 3", "square")


@dataclass(frozen=True)
class Activity:
    """The last days at the desk.

    Parameters
    ----------
    days : int
        How many.
    tiles : tuple of Tile
        Over all of them.
    figures : tuple of Figure
        By day; empty without any decision.
    """

    days: int
    tiles: tuple[Tile, ...]
    figures: tuple[Figure, ...]


def activity(counted: Sequence[Day], today: date, say: Speech) -> Activity:
    """Lay out what was decided.

    Parameters
    ----------
    counted : sequence of Day
        Of the last :data:`DAYS` days, those without decisions left out.
    today : datetime.date
        The last of them, UTC.
    say : Speech
        The language.

    Returns
    -------
    Activity
    """
    by_day = {one.day: one for one in counted}
    names = [(today - timedelta(days=DAYS - 1 - k)).isoformat() for k in range(DAYS)]
    decided = sum(one.decisions for one in counted)
    return Activity(
        DAYS,
        _tiles(counted, by_day.get(names[-1]), decided, say),
        (_counts(names, by_day, say), _rates(names, by_day, say)) if decided else (),
    )


def _tiles(counted: Sequence[Day], today: Day | None, n: int, say: Speech) -> tuple[Tile, ...]:
    approved, referred = (sum(getattr(d, k) for d in counted) for k in ("approved", "referred"))
    overrides = sum(one.overrides for one in counted)
    known = [(one.decisions, one.mean_pd) for one in counted if one.mean_pd is not None]
    mean_pd = sum(k * pd for k, pd in known) / n if n else None
    now = say("monitoring.today", n=say.count(today.decisions if today else 0))
    tiles = [
        Tile(say("monitoring.decisions"), say.count(n), now),
        Tile(
            say("monitoring.approval"),
            say.percent(_share(approved, n)),
            say("monitoring.referred", share=say.percent(_share(referred, n))),
        ),
        Tile(say("monitoring.mean_pd"), say.percent(mean_pd), say("monitoring.of_applications")),
        Tile(
            say("monitoring.overrides"),
            say.count(overrides),
            say("monitoring.overrides_share", share=say.percent(_share(overrides, n))),
        ),
    ]
    shadowed = sum(one.shadowed for one in counted)
    if shadowed:
        agreed = sum(one.agreed for one in counted)
        note = say("monitoring.shadow_note", n=say.count(shadowed))
        tiles.append(Tile(say("monitoring.shadow"), say.percent(agreed / shadowed), note))
    return tuple(tiles)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _counts(names: Sequence[str], by_day: dict[str, Day], say: Speech) -> Figure:
    top = max((one.decisions for one in by_day.values()), default=1)
    plot = _plot(names, "by_day", max(top * 1.08, 4.0), say)
    for k, name in enumerate(names):
        one = by_day.get(name)
        if one is None:
            continue
        # From the whole down, each bar over the taller one behind it.
        plot.bar(float(k), one.decisions, 0.8, _DECLINED)
        plot.bar(float(k), one.approved + one.referred, 0.8, _REFERRED)
        plot.bar(float(k), one.approved, 0.8, _APPROVED)
    legend = tuple(
        key(Style(colour, width=9.0), say(f"zone.{verdict}"))
        for verdict, colour in (
            ("approve", _APPROVED),
            ("refer", _REFERRED),
            ("decline", _DECLINED),
        )
    )
    return Figure(say("monitoring.by_day"), say("monitoring.by_day_read"), plot.render(), legend)


def _rates(names: Sequence[str], by_day: dict[str, Day], say: Speech) -> Figure:
    there = [by_day.get(name) for name in names]
    rates = [_share(one.approved, one.decisions) if one else None for one in there]
    pds = [one.mean_pd if one else None for one in there]
    plot = _plot(names, "rate_by_day", 1.0, say, percent=True)
    xs = [float(k) for k in range(len(names))]
    plot.line(xs, rates, _RATE, marks=True)
    plot.line(xs, pds, _PD, marks=True)
    legend = (
        key(_RATE, say("monitoring.approval"), marked=True),
        key(_PD, say("monitoring.mean_pd"), marked=True),
    )
    title, read = say("monitoring.rate_by_day"), say("monitoring.rate_by_day_read")
    return Figure(title, read, plot.render(), legend)


def _plot(
    names: Sequence[str], title: str, top: float, say: Speech, *, percent: bool = False
) -> Plot:
    places = every(len(names), 6)
    axis = "rate_axis" if percent else "by_day_axis"
    return Plot(
        say.text(f"monitoring.{title}"),
        same(""),
        say.text(f"monitoring.{axis}"),
        (-0.6, len(names) - 0.4),
        (0.0, top),
        y_percent=percent,
        x_ticks=[float(place) for place in places],
        x_labels=[same(f"{int(names[k][5:7])}-{names[k][8:]}") for k in places],
        height=240,
    )
