"""Drift and matured loans as tables: CSI by feature and month, changed shares, vintages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fed_credit.serving.pages.parts import Cell, Table, state
from fed_credit.serving.pages.report import Checked, FeatureMonth, Month, Vintage
from fed_credit.serving.pages.speech import Speech

Labels = Mapping[str, Mapping[str, str]]
"""Labels of features by language."""

_MOST_CHANGES = 40
_WORDS = ("missing", "unlisted")
_STATES = ("ok", "watch", "alert", "too_few")


def csi_map(months: Sequence[Month], labels: Labels, say: Speech) -> Table:
    """Lay out PSI of the score and CSI of each feature by month."""
    names = list(dict.fromkeys(name for month in months for name in month.features))
    rows = [
        [
            Cell(say("drift.loans")),
            *(Cell(say.count(month.loans), "s0") for month in months),
        ],
        [Cell(say("drift.score")), *(_map_cell(month.score, say) for month in months)],
    ]
    for name in names:
        cells = (month.features.get(name) for month in months)
        rows.append(
            [
                Cell(_label(name, labels, say)),
                *(Cell("") if one is None else _map_cell(one.csi, say) for one in cells),
            ]
        )
    header = [say("drift.feature"), *(say.period(month.period) for month in months)]
    return Table("map", header, rows, say("drift.map_caption"), heat=True)


def _map_cell(checked: Checked, say: Speech) -> Cell:
    if checked.state != "ok":
        tone = checked.state
    else:
        share = (checked.value or 0.0) / checked.threshold if checked.threshold else 0.0
        tone = f"s{min(int(max(share, 0.0) * 4), 3)}"
    limit = say("drift.limit", limit=say.number(checked.threshold))
    title = f"{say(f'state.{checked.state}')}; {limit}"
    return Cell(say.number(checked.value, 2), tone, title=title)


def changed_shares(months: Sequence[Month], labels: Labels, say: Speech) -> Table | None:
    """List shares of missing, unlisted and listed values that changed; None where none did."""
    found = []
    for month in reversed(months):
        for name, one in month.features.items():
            found += [
                _change(month, name, what, checked, labels, say)
                for what, checked in _shares(one)
                if checked.state in ("watch", "alert")
            ]
    if not found:
        return None
    keys = ("period", "feature", "what", "share", "before", "state")
    header = [say(f"drift.{name}") for name in keys]
    caption = say("drift.changes_caption")
    if len(found) > _MOST_CHANGES:
        caption += say("drift.changes_cut", n=_MOST_CHANGES, all=len(found))
    return Table("changes", header, found[:_MOST_CHANGES], caption, frozenset({1, 2}))


def _shares(one: FeatureMonth) -> tuple[tuple[str, Checked], ...]:
    return ("missing", one.missing), ("unlisted", one.unlisted), *one.categories.items()


def _change(
    month: Month, name: str, what: str, checked: Checked, labels: Labels, say: Speech
) -> list[Cell]:
    return [
        Cell(say.period(month.period)),
        Cell(_label(name, labels, say)),
        Cell(say(f"drift.{what}") if what in _WORDS else say("drift.category", value=what)),
        Cell(say.percent(checked.value)),
        Cell(say.percent(checked.threshold)),
        Cell(state(checked.state, say(f"state.{checked.state}"))),
    ]


def _label(name: str, labels: Labels, say: Speech) -> str:
    return say.pick(labels.get(name, {})) or name


def vintage_table(vintages: Sequence[Vintage], say: Speech) -> Table:
    """Lay out matured vintages, newest first."""
    keys = ("vintage", "loans", "bads", "observed", "promised", "calibration_held")
    more = ("auc", "ks", "brier", "rank_held")
    rows = [
        [
            Cell(say.period(one.period)),
            Cell(say.count(one.loans)),
            Cell(say.count(one.bads)),
            Cell(say.percent(one.default_rate)),
            Cell(say.percent(one.mean_pd)),
            _held(one.calibration, say),
            Cell(_with_interval(one, say)),
            Cell(say.number(one.ks)),
            Cell(say.number(one.brier)),
            _held(one.rank, say),
        ]
        for one in reversed(vintages)
    ]
    header = [say(f"drift.{name}") for name in (*keys, *more)]
    return Table("vintages", header, rows, say("drift.vintages_caption"), frozenset({5, 9}))


def _held(name: str, say: Speech) -> Cell:
    return Cell(state(name, say(f"state.{name}")) if name in _STATES else name)


def _with_interval(one: Vintage, say: Speech) -> str:
    if one.auc_low is None or one.auc_high is None:
        return say.number(one.auc)
    return f"{say.number(one.auc)} [{say.number(one.auc_low)}, {say.number(one.auc_high)}]"
