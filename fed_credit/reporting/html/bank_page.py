"""A bank's own report as one page: the common model against the bank's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fed_credit.reporting.html import charts
from fed_credit.reporting.html.answer import Answer
from fed_credit.reporting.html.page import render_page
from fed_credit.reporting.html.tables import Cell, Table, count, figure
from fed_credit.reporting.html.texts import Text, joined, same, text, translated, word
from fed_credit.reporting.table import level

_TONES = {"worse": "lose", "better": "gain", "undecided": "undecided"}
_SETTINGS = ("decision_point", "target", "split", "seed", "rounds", "local_epochs")
_ROWS = ("rows", "rejected", "unlabelled", "immature", "out_of_scope")
_PARTS = ("train", "validation", "test", "set_aside")


def render_bank_page(results: Mapping[str, Any], language: str = "en") -> str:
    """Write a bank's own comparison as one HTML page.

    Parameters
    ----------
    results : mapping
        The body of the bank's ``results.json``.
    language : str
        Shown first: ``en`` or ``zh``; the page holds both.

    Returns
    -------
    str
        A page that needs no other file and no host.
    """
    found = dict(results)
    return render_page(
        "bank.html.j2",
        language,
        {
            "title": text("bank.page", bank=found["bank"]),
            "answer": _answer(found),
            "warnings": [translated(sentence) for sentence in found["warnings"]],
            "measures": _measures(found),
            "figures": _figures(found),
            "about": _about(found),
        },
    )


def _answer(results: dict[str, Any]) -> Answer:
    loans = results["loans"]
    points = [text("bank.loans", n=f"{loans['test']:,}", bads=f"{loans['test_bads']:,}")]
    if not results["assessable"]:
        least = results["evaluation"]["min_bads"]
        return Answer("open", text("bank.headline_small", min=least), tuple(points))
    names = {
        verdict: joined(
            [
                text(f"metric.{item['measure']}")
                for item in results["differences"]
                if item["verdict"] == verdict
            ]
        )
        for verdict in _TONES
    }
    worse, better = names["worse"], names["better"]
    key = "worse" if worse.en else "better" if better.en else "undecided"
    headline = text(f"bank.headline_{key}", worse=worse, better=better)
    if key == "worse" and better.en:
        points.append(text("bank.better", names=better))
    if key != "undecided" and names["undecided"].en:
        points.append(text("bank.undecided", names=names["undecided"]))
    points.append(text("bank.sure", level=level(results)))
    tone = "mixed" if worse.en and better.en else {**_TONES, "undecided": "open"}[key]
    return Answer(tone, headline, tuple(points))


def _measures(results: dict[str, Any]) -> Table:
    header = [same(""), text("bank.own"), text("bank.common")]
    header += [text("bank.difference", level=level(results)), text("col.verdict")]
    rows = []
    for item in results["differences"]:
        verdict = item["verdict"]
        rows.append(
            [
                text(f"metric.{item['measure']}"),
                figure(item["alone"], 4),
                figure(item["federated"], 4),
                _difference(item),
                Cell(word("bank_verdict", verdict), _TONES.get(verdict, "")),
            ]
        )
    return Table(header, rows, None, frozenset({len(header) - 1}))


def _difference(item: dict[str, Any]) -> Text:
    if item["value"] is None:
        return same("–")
    shown = f"{item['value']:+.4f}"
    if item["lo"] is not None and item["hi"] is not None:
        shown += f" [{item['lo']:+.4f}, {item['hi']:+.4f}]"
    return same(shown)


def _figures(results: dict[str, Any]) -> list[charts.Figure]:
    if not results["curves"]:
        return []
    roc, _ = charts.ranking(results, results)
    return [roc, charts.calibration(results), charts.lift(results)]


def _about(results: dict[str, Any]) -> Table:
    settings, model, data = results["settings"], results["model"], results["data"]
    pairs: list[tuple[str, Text]] = [("run", same(results["run"]))]
    for key in _SETTINGS:
        group = {"decision_point": "when", "split": "split"}.get(key, "")
        value = str(settings[key])
        pairs.append((key, word(group, value) if group else translated(value)))
    pairs += [(key, count(data[key])) for key in _ROWS]
    pairs += [(key, count(results["loans"][key])) for key in _PARTS]
    pairs += [("family", same(model["family"])), ("sha256", same(model["sha256"]))]
    if model["alone"] is not None:
        pairs.append(("best_round", count(model["alone"]["best_round"])))
    return Table(
        [same(""), same("")],
        [[text(f"bank_setting.{key}"), value] for key, value in pairs],
        None,
        frozenset({1}),
    )
