"""Heat maps, effects and scatters of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

from fed_credit.config.convert import shown
from fed_credit.reporting.html.charts import Figure
from fed_credit.reporting.html.effects import main_effects, values_of
from fed_credit.reporting.html.svg import STYLES, Plot, Row, forest, signed
from fed_credit.reporting.html.tables import Cell, Table, shade
from fed_credit.reporting.html.texts import Text, same, text

_MOST_LEVELS = 12
_MOST_PAIRS = 6
# What may change which loans are tested.
_OF_LOANS = ("data", "experiment", "federation.num_institutions")


def leaves(keys: Sequence[str]) -> dict[str, str]:
    """Return the last part of each key where it is that key's alone, or the whole key."""
    last = [key.rpartition(".")[2] for key in keys]
    return {
        key: name if last.count(name) == 1 else key for key, name in zip(keys, last, strict=True)
    }


def heat_maps(sweep: dict[str, Any]) -> list[dict[str, Any]]:
    """Lay out each pair of settings as maps of AUC and of what the federation gains.

    Parameters
    ----------
    sweep : dict
        The body of ``sweep.json``.

    Returns
    -------
    list of dict
        ``title`` and ``maps``: a list of (explanation, table).
    """
    groups = [group for group in sweep["groups"] if group["n"]]
    few = (
        [key for key in sweep["settings"] if 1 < len(values_of(groups, key)) <= _MOST_LEVELS]
        if groups
        else []
    )
    shared = not sweep["shared_test"]["same"] and any(group["shared"] for group in groups)
    names = leaves(sweep["settings"])
    found = []
    for rows, columns in list(combinations(few, 2))[:_MOST_PAIRS]:
        if len(values_of(groups, columns)) > len(values_of(groups, rows)):
            rows, columns = columns, rows
        area = _map(groups, rows, columns, _shared_auc if shared else _auc, names)
        gain = _map(groups, rows, columns, _gain, names)
        maps = []
        if area is not None:
            name = text("sweep_map.shared" if shared else "sweep_map.auc")
            maps.append((name, text("sweep_map.read"), area))
        if gain is not None:
            maps.append((text("sweep_map.delta"), text("sweep_map.read_delta"), gain))
        if maps:
            found.append({"title": same(f"{rows} × {columns}"), "maps": maps})
    return found


def _auc(group: dict[str, Any]) -> float | None:
    value: float | None = group["mean"].get("auc")
    return value


def _shared_auc(group: dict[str, Any]) -> float | None:
    value: float | None = (group["shared"] or {"mean": {}})["mean"].get("federated")
    return value


def _gain(group: dict[str, Any]) -> float | None:
    value: float | None = group["mean"].get("federated_minus_local")
    return value


def _map(
    groups: list[dict[str, Any]],
    rows: str,
    columns: str,
    measured: Callable[[dict[str, Any]], float | None],
    names: dict[str, str],
) -> Table | None:
    cells: dict[tuple[str, str], list[float]] = {}
    for group in groups:
        value = measured(group)
        if value is not None:
            place = shown(group["setting"][rows]), shown(group["setting"][columns])
            cells.setdefault(place, []).append(value)
    if not cells:
        return None
    means = {place: sum(values) / len(values) for place, values in cells.items()}
    diverging = measured is _gain
    body = []
    for row in values_of(groups, rows):
        line: list[Any] = [_value(row)]
        for column in values_of(groups, columns):
            value = means.get((shown(row), shown(column)))
            line.append(same("–") if value is None else _cell(value, means, diverging))
        body.append(line)
    titles = [same(f"{names[rows]} ＼ {names[columns]}"), *map(_value, values_of(groups, columns))]
    return Table(titles, body, heat=True, flat=True)


def _cell(value: float, means: dict[tuple[str, str], float], diverging: bool) -> Cell:
    if diverging:
        top = max(abs(each) for each in means.values()) or 1.0
        # The lightest shade is for what rounds to nothing.
        return Cell(same(signed(value, 3)), style=shade(abs(value) / top * 0.99, warm=value < 0))
    lo, hi = min(means.values()), max(means.values())
    return Cell(
        same(f"{value:.4f}"), style=shade((value - lo) / (hi - lo) * 0.99 if hi > lo else 0)
    )


def _value(value: Any) -> Text:
    return text("sweep_settings.default") if value is None else same(shown(value))


def effect_figures(sweep: dict[str, Any], ratio: float) -> tuple[list[Figure], list[Text]]:
    """Draw what each setting does to the test AUC.

    Parameters
    ----------
    sweep : dict
        The body of ``sweep.json``.
    ratio : float
        Test loans per training loan where seeds draw their own; 0 where all test on the same.

    Returns
    -------
    (list of Figure, list of Text)
        Drawings; and a sentence for each setting that has none.
    """
    groups = [group for group in sweep["groups"] if group["n"]]
    figures, remarks = [], []
    for key in sweep["settings"] if groups else []:
        values = values_of(groups, key)
        if len(values) > _MOST_LEVELS:
            figures += _scatter(groups, key)
        elif not sweep["shared_test"]["same"] and _changes_loans(key):
            remarks.append(text("sweep_effect.other_loans", key=key))
        else:
            figure = _effect(sweep, groups, key, ratio)
            if figure is not None:
                figures.append(figure)
            elif len(values) > 1:
                remarks.append(text("sweep_effect.one_seed", key=key))
    if not figures and not remarks:
        remarks.append(text("sweep_effect.none"))
    return figures, remarks


def _changes_loans(key: str) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in _OF_LOANS)


def _effect(
    sweep: dict[str, Any], groups: list[dict[str, Any]], key: str, ratio: float
) -> Figure | None:
    reference = next((group for group in groups if group["is_reference"]), groups[0])
    base = reference["setting"][key]
    effects = main_effects(sweep, key, base, "auc", ratio)
    if not effects:
        return None
    rows = [
        Row(_value(effect.value), effect.interval.value, effect.interval.lo, effect.interval.hi)
        for effect in effects
    ]
    title = text("sweep_effect.title", key=key, level=_value(base))
    read = text(
        "sweep_effect.read",
        key=key,
        level=_value(base),
        confidence=f"{100 * sweep['confidence']:.6g}%",
        n=min(effect.seeds for effect in effects),
    )
    return Figure(title, read, forest(rows, title, text("sweep_effect.axis"), decimals=4))


def _scatter(groups: list[dict[str, Any]], key: str) -> list[Figure]:
    points = [
        (float(group["setting"][key]), group["mean"]["validation_loss"])
        for group in groups
        if isinstance(group["setting"][key], int | float)
        and group["mean"].get("validation_loss") is not None
    ]
    if len(points) < 3:
        return []
    xs, ys = [x for x, _ in points], [y for _, y in points]
    pad_x, pad_y = 0.04 * (max(xs) - min(xs)), 0.06 * (max(ys) - min(ys))
    title = text("sweep_effect.scatter_title", key=key)
    plot = Plot(
        title,
        same(key),
        text("sweep_col.loss"),
        (min(xs) - pad_x, max(xs) + pad_x),
        (min(ys) - pad_y, max(ys) + pad_y),
    )
    for x, y in points:
        plot.mark(x, y, STYLES["federated"], 4.0)
    return [Figure(title, text("sweep_effect.scatter_read"), plot.render())]
