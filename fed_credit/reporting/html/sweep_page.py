"""The report of a sweep: a pure function of ``sweep.json``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from fed_credit.config.convert import shown
from fed_credit.reporting.html.answer import Answer, delta_text
from fed_credit.reporting.html.effects import rivals
from fed_credit.reporting.html.page import render_page
from fed_credit.reporting.html.svg import signed
from fed_credit.reporting.html.sweep_charts import effect_figures, heat_maps, leaves
from fed_credit.reporting.html.tables import Cell, Link, Table, figure
from fed_credit.reporting.html.texts import Text, joined, same, text
from fed_credit.reporting.table import number

_MOST_GROUPS = 100
_MOST_RIVALS = 5
_MOST_NAMED = 6


def render_sweep(
    sweep: Mapping[str, Any],
    test_to_train: float = 0.0,
    validation_to_train: float = 0.0,
    language: str = "en",
) -> str:
    """Write a sweep's report as one HTML page.

    Parameters
    ----------
    sweep : dict
        The body of ``sweep.json``.
    test_to_train : float
        Test loans per training loan where seeds draw their own; 0 where all test on the same.
    validation_to_train : float
        Validation loans per training loan.
    language : str
        Shown first: ``en`` or ``zh``; the page holds both.

    Returns
    -------
    str
        A page that needs no other file and no host; links lead to the jobs' own pages beside it.
    """
    body = dict(sweep)
    figures, remarks = effect_figures(body, test_to_train)
    level = f"{100 * body['confidence']:.6g}%"
    return render_page(
        "sweep.html.j2",
        language,
        {
            "title": text("page.sweep"),
            "answer": _answer(body, validation_to_train, level),
            "groups": _groups(body) if body["count"]["ok"] else None,
            "cut": text("sweep_settings.cut", n=_MOST_GROUPS, all=len(body["groups"]))
            if len(body["groups"]) > _MOST_GROUPS
            else None,
            "maps": heat_maps(body),
            "effects": figures,
            "remarks": remarks,
            "failed": _failed(body),
            "jobs": _jobs(body),
            "command": _command(body),
        },
    )


def setting_text(setting: Mapping[str, Any]) -> Text:
    """Write a setting as on the command line; a key that the jobs do not set is at its default."""
    if not setting:
        return text("sweep_settings.default")
    default = text("sweep_settings.default")
    pairs = [
        Text(f"{key}={default.en}", f"{key}={default.zh}")
        if value is None
        else same(f"{key}={shown(value)}")
        for key, value in setting.items()
    ]
    return Text(" ".join(pair.en for pair in pairs), " ".join(pair.zh for pair in pairs))


def _answer(sweep: dict[str, Any], ratio: float, level: str) -> Answer:
    count, best = sweep["count"], sweep["best"]
    jobs = text(
        "sweep_answer.jobs",
        ok=count["ok"],
        jobs=count["jobs"],
        failed=count["failed"],
        open=count["not_done"],
    )
    if not count["ok"]:
        return Answer("open", text("sweep_headline.none_done"), (jobs,))
    loans = _loans(sweep)
    if best is None:
        return Answer("open", text("sweep_headline.no_best"), (*loans, jobs))
    group = next(each for each in sweep["groups"] if each["setting"] == best["setting"])
    setting = setting_text(best["setting"])
    mean = group["mean"]
    points = [
        text(
            "sweep_answer.chosen",
            loss=number(best["validation_loss"], 4),
            n=best["n"],
            auc=_spread(group, "auc"),
            delta=_signed(mean.get("federated_minus_local")),
        )
    ]
    open_, others = rivals(sweep, ratio)
    tone = "gain"
    if not others:
        headline = text("sweep_headline.single", setting=setting)
    elif best["n"] < 2:
        tone, headline = "open", text("sweep_headline.one_seed", setting=setting)
    elif open_:
        headline = text("sweep_headline.open", setting=setting, open=len(open_), n=others)
        tone = "mixed"
        names = joined([setting_text(each["setting"]) for each in open_], _MOST_RIVALS)
        points.append(text("sweep_answer.rivals", level=level, names=names))
    else:
        headline = text("sweep_headline.clear", setting=setting)
    if others:
        points += _against_reference(group)
        points.append(text("sweep_answer.judged"))
    return Answer(tone, headline, (*points, *loans, jobs))


def _against_reference(group: dict[str, Any]) -> list[Text]:
    if group["is_reference"]:
        return [text("sweep_answer.is_reference")]
    delta = group["delta_vs_reference"]
    if group["reference"] is None or delta["value"] is None:
        return []
    named = setting_text(group["reference"])
    return [text("sweep_answer.reference", reference=named, delta=_delta(delta))]


def _loans(sweep: dict[str, Any]) -> list[Text]:
    shared = sweep["shared_test"]
    if shared["same"] or sweep["count"]["ok"] < 2:
        return []
    return [text("sweep_answer.loans_differ" if shared["by_seed"] else "sweep_answer.no_shared")]


def _groups(sweep: dict[str, Any]) -> Table:
    keys = sweep["settings"]
    on_shared = not sweep["shared_test"]["same"] and bool(sweep["shared_test"]["by_seed"])
    names = leaves(keys)
    header = [same(names[key]) for key in keys] or [text("sweep_col.setting")]
    header += [text("sweep_col.seeds"), text("sweep_col.loss"), text("sweep_col.auc")]
    header += [text("sweep_col.shared")] if on_shared else []
    header += [text("sweep_col.delta"), text("metric.ks"), text("metric.brier")]
    header += [text("sweep_col.alone"), text("sweep_col.seconds")]
    best = None if sweep["best"] is None else sweep["best"]["setting"]
    groups = sorted(
        sweep["groups"],
        key=lambda group: (
            group["mean"].get("validation_loss") is None,
            group["mean"].get("validation_loss") or 0.0,
        ),
    )
    rows = []
    for group in groups[:_MOST_GROUPS]:
        chosen = "gain" if group["setting"] == best else ""
        setting = [_value(group["setting"][key]) for key in keys] or [
            text("sweep_settings.default")
        ]
        row: list[Any] = [setting[0], *(Cell(item, chosen) for item in setting[1:])]
        done, asked = group["n"], len(group["jobs"])
        row.append(same(done if done == asked else f"{done} / {asked}"))
        row += [Cell(same(_spread(group, "validation_loss")), chosen)]
        row.append(same(_spread(group, "auc")))
        if on_shared:
            shared = group["shared"]
            row.append(same("–" if shared is None else _spread(shared, "federated")))
        row.append(
            text("sweep_col.reference")
            if group["is_reference"]
            else Cell(same(_delta(group["delta_vs_reference"])), _tone(group))
        )
        row += [figure(group["mean"].get(name), 3) for name in ("ks", "brier")]
        row.append(same(_signed(group["mean"].get("federated_minus_local"))))
        row.append(figure(group["mean"].get("seconds"), 1))
        rows.append(row)
    return Table(header, rows, words=frozenset(range(1, len(keys))))


def _tone(group: dict[str, Any]) -> str:
    delta = group["delta_vs_reference"]
    if delta["lo"] is None or delta["hi"] is None:
        return ""
    return "gain" if delta["lo"] > 0 else "lose" if delta["hi"] < 0 else "undecided"


def _value(value: Any) -> Text:
    return text("sweep_settings.default") if value is None else same(shown(value))


def _spread(group: dict[str, Any], name: str, places: int = 4) -> str:
    value = figure(group["mean"].get(name), places).en
    sd = group["sd"].get(name)
    return value if sd is None else f"{value} ± {sd:.{places}f}"


def _delta(delta: dict[str, Any]) -> str:
    if delta["value"] is not None and delta["lo"] is None:
        return signed(delta["value"], 4)
    return str(delta_text(delta, 4))


def _signed(value: float | None) -> str:
    return "–" if value is None else signed(value, 3)


def _failed(sweep: dict[str, Any]) -> list[tuple[str, Text]]:
    """Say each reason once, with the jobs that failed for it."""
    by_reason: dict[str, list[Text]] = {}
    for job in sweep["jobs"]:
        if job["status"] == "failed":
            named = same(f"{job['number']} ({_overrides(sweep, job)})")
            by_reason.setdefault(job["error"] or "–", []).append(named)
    return [(reason, joined(jobs, _MOST_NAMED)) for reason, jobs in by_reason.items()]


def _jobs(sweep: dict[str, Any]) -> Table:
    keys = ("job", "setting", "status", "auc", "seconds", "report")
    rows = []
    for job in sweep["jobs"]:
        done = job["status"] == "ok"
        page = Link(text("sweep_col.open"), f"{int(job['number'])}/report.html")
        seconds = job["seconds"]
        rows.append(
            [
                same(job["number"]),
                _overrides(sweep, job),
                Cell(
                    text(f"sweep_status.{job['status'].replace(' ', '_')}"), "" if done else "lose"
                ),
                figure(job["metrics"].get("auc"), 4),
                figure(seconds, 1),
                page if done else same(""),
            ]
        )
    return Table([text(f"sweep_col.{key}") for key in keys], rows, words=frozenset({1, 2}))


def _overrides(sweep: dict[str, Any], job: dict[str, Any]) -> Text:
    named = [
        f"{key}={shown(job['overrides'][key])}"
        for key in (*sweep["settings"], "seed")
        if key in job["overrides"]
    ]
    return same(" ".join(named) or "–")


def _command(sweep: dict[str, Any]) -> str:
    said = [shlex.quote(item) for item in sweep["overrides"]]
    return " ".join(["fed-credit simulate -m", *said])
