"""The report of a run: a pure function of the files that the run left."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from fed_credit.reporting.html import charts
from fed_credit.reporting.html.answer import answer, delta_text, money, verdict_of
from fed_credit.reporting.html.explained import explained
from fed_credit.reporting.html.features_table import features_table
from fed_credit.reporting.html.page import render_page
from fed_credit.reporting.html.portfolio_tables import portfolio_tables
from fed_credit.reporting.html.tables import (
    Cell,
    Table,
    contender_names,
    count,
    figure,
    percent,
    settings_table,
)
from fed_credit.reporting.html.texts import (
    Text,
    field_label,
    joined,
    same,
    sentences,
    text,
    translated,
    word,
)
from fed_credit.reporting.table import number

_METRICS = ("auc", "gini", "ks", "pr_auc", "log_loss", "brier", "ece", "auc_mean_banks")
_WENT = ("used", "rejected", "unlabelled", "immature", "out_of_scope", "left_out")


def render_run(
    results: Mapping[str, Any], data: Mapping[str, Any], config: str, language: str = "en"
) -> str:
    """Write a run's report as one HTML page.

    Parameters
    ----------
    results : dict
        The body of ``results.json``.
    data : dict
        The body of ``report_data.json``.
    config : str
        The text of ``config.yaml``.
    language : str
        Shown first: ``en`` or ``zh``; the page holds both.

    Returns
    -------
    str
        A page that needs no other file and no host.
    """
    results, data = dict(results), dict(data)
    spec = yaml.safe_load(config)
    profit = spec["evaluation"]["profit"]
    repeats = results["evaluation"]["repeats"]
    return render_page(
        "run.html.j2",
        language,
        {
            "title": text("page.run"),
            "answer": answer(results, profit),
            "warnings": _warnings(results, data),
            "who": charts.who_gains(results),
            "banks": _banks(results),
            "overall": _overall(results),
            "ranking": charts.ranking(results, data),
            "honest": [charts.calibration(data), charts.lift(data)],
            "decisions": charts.decisions(results, data, profit),
            "decision_table": _decision_table(results),
            "learning": charts.learning(data),
            "mean_split": text("chart.mean_split", repeats=repeats) if repeats > 1 else None,
            "portfolio": portfolio_tables(data),
            "quality": _quality(results, data),
            "settings": _settings(results, spec),
            "config": config,
            "model": _model(results, data),
            "features": features_table(data),
            "explain": explained(results, data),
            "reproduce": _reproduce(results, data),
        },
    )


def _warnings(results: dict[str, Any], data: dict[str, Any]) -> list[Text]:
    found = [translated(sentence, data["labels"]) for sentence in results["warnings"]]
    small = [bank["name"] for bank in results["institutions"] if not bank["assessable"]]
    if small:
        banks = len(results["institutions"])
        names = joined(small, 6)
        found.append(text("warnings.few", n=len(small), banks=banks, names=names))
    counts = results["data"]
    if counts["immature"]:
        share = f"{counts['immature'] / counts['rows']:.1%}"
        found.append(text("warnings.immature", n=f"{counts['immature']:,}", share=share))
    return found


def _banks(results: dict[str, Any]) -> Table:
    names = contender_names(results["test"])
    compared = "local" in names
    rows = []
    for bank in results["institutions"]:
        verdict = verdict_of(bank)
        row: list[Any] = [
            same(bank["name"]),
            count(bank["n_train"]),
            count(bank["n_test"]),
            percent(bank["bad_rate"]),
            *(figure(bank["auc"][name]["value"]) for name in names),
        ]
        if compared:
            row.append(delta_text(bank["delta"]["federated_minus_local"]))
            row.append(Cell(text(f"verdict.{verdict}"), verdict))
        rows.append(row)
    mean: list[Any] = [text("who.mean"), same(""), same(""), same("")]
    mean += [figure(results["test"][name]["auc_mean_banks"]) for name in names]
    if compared:
        mean += [delta_text(results["overall"]["federated_minus_local"]), same("")]
    header = [text(f"col.{key}") for key in ("bank", "train", "test", "bad")]
    header += [text(f"short.{name}") for name in names]
    header += [text("col.delta"), text("col.verdict")] if compared else []
    return Table(header, [*rows, mean], text("who.table"), frozenset({len(header) - 1}), last=1)


def _overall(results: dict[str, Any]) -> Table:
    return Table(
        [same(""), *(text(f"metric.{key}") for key in _METRICS)],
        [
            [
                text(f"contender.{name}"),
                *(figure(results["test"][name][key]) for key in _METRICS),
            ]
            for name in contender_names(results["test"])
        ],
        text("who.overall"),
    )


def _decision_table(results: dict[str, Any]) -> Table:
    keys = ("cut_off", "approved", "bad_approved", "profit")
    rows = []
    for name in contender_names(results["test"]):
        chosen = results["decision"].get(name)
        if chosen is not None:
            rows.append(
                [
                    text(f"contender.{name}"),
                    figure(chosen["cut_off"]),
                    percent(chosen["approval_rate"]),
                    percent(chosen["bad_rate_approved"]),
                    same(money(chosen["profit_per_loan"])),
                ]
            )
    return Table([same(""), *(text(f"col.{key}") for key in keys)], rows)


def _quality(results: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    counts = results["data"]
    rows = counts["rows"]
    went = [[text("quality.rows"), count(rows), percent(1.0)]]
    went += [
        [text(f"quality.{key}"), count(counts[key]), percent(counts[key] / rows if rows else None)]
        for key in _WENT
        if counts[key] or key in ("used", "rejected")
    ]
    aside = counts["set_aside"]
    parts = text(
        "quality.parts",
        **{key: f"{counts[key]:,}" for key in ("train", "validation", "test")},
        aside=text("quality.aside", n=f"{aside:,}") if aside else same(""),
    )
    reasons = sorted(counts["rejected_reasons"].items(), key=lambda item: -item[1])[:30]
    banks = counts["left_out_institutions"]
    return {
        "went": Table([same(""), text("col.rows"), text("col.share")], went),
        "left_out": text("quality.left_out_banks", n=f"{banks:,}") if banks else None,
        "read": sentences([text("quality.read"), parts]),
        "reasons": Table(
            [text("col.reason"), text("col.rows")],
            [[translated(reason, data["labels"]), count(n)] for reason, n in reasons],
            text("quality.reasons"),
        )
        if reasons
        else None,
        "listed": text("quality.listed", file="rejected_rows.csv"),
    }


def _settings(results: dict[str, Any], spec: dict[str, Any]) -> Table:
    counts, evaluation = results["data"], results["evaluation"]
    federation, model, strategy = spec["federation"], spec["model"], spec["strategy"]
    given = {
        key: value
        for key, value in strategy.items()
        if key not in ("name", "weighting") and value is not None
    }
    parameters = ", ".join(f"{key} {value:g}" for key, value in given.items())
    channel = spec["privacy"]["channel"]
    averaged: list[tuple[str, Any]] = []
    if model["hidden"] is not None:  # of a network, whose weights are averaged
        averaged = [
            ("learning_rate", f"{model['learning_rate']:g}"),
            ("batch", model["batch_size"]),
            ("strategy", f"{strategy['name']} ({parameters})" if parameters else strategy["name"]),
            ("weighting", word("weighting", strategy["weighting"])),
            ("rounds", federation["num_rounds"]),
            ("epochs", federation["local_epochs"]),
            ("fraction", percent(federation["fraction"], 0)),
        ]
    elif model["family"] == "gbdt":
        averaged = [
            ("learning_rate", f"{model['trees']['learning_rate']:g}"),
            ("rounds", federation["num_rounds"]),
        ]
    return settings_table(
        [
            ("source", word("source", counts["source"])),
            ("target", translated(counts["target"])),
            ("decision_point", word("when", counts["decision_point"])),
            ("split", word("split", evaluation["split"])),
            ("repeats", evaluation["repeats"]),
            ("banks", len(results["institutions"])),
            ("min_bads", evaluation["min_bads"]),
            ("model", _family(results["model"])),
            *averaged,
            ("channel", word("setting", channel)),
        ]
    )


def _family(model: dict[str, Any]) -> Text:
    if model["family"] != "loan_risk":
        return same(model["family"])
    if not model["hidden"]:
        return text("model.logreg")
    return text("model.mlp", hidden="-".join(str(units) for units in model["hidden"]))


def _model(results: dict[str, Any], data: dict[str, Any]) -> list[Text]:
    model, area = results["model"], results["from_sums"]["auc"]
    features = len(results["data"]["features"])
    said = [
        text("model.read", columns=model["columns"], features=features, round=model["best_round"])
    ]
    if model["constant_features"]:
        names = joined(field_label(name, data["labels"]) for name in model["constant_features"])
        said.append(text("model.constant", names=names))
    if area["value"] is not None:
        key = "sums_first" if results["evaluation"]["repeats"] > 1 else "sums"
        values = {"value": number(area["value"], 4), "bound": number(area["bound"], 4)}
        said.append(text(f"model.{key}", **values))
    return [sentences(said)]


def _reproduce(results: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    overrides = data["overrides"]
    command = None
    if overrides is not None:
        command = " ".join(["fed-credit simulate", *(shlex.quote(item) for item in overrides)])
    facts = [
        (text("reproduce.seed"), results["seed"]),
        (text("reproduce.data"), results["data"]["fingerprint"]),
        (text("reproduce.weights"), results["model"]["sha256"]),
        (text("reproduce.preprocessor"), results["model"]["preprocessor_sha256"]),
        (
            text("reproduce.versions"),
            ", ".join(f"{name} {version}" for name, version in results["versions"].items()),
        ),
        (text("reproduce.seconds"), f"{results['timing']['wall_s']:.1f}"),
    ]
    version = results["versions"].get("fed-credit", "")
    return {
        "lead": text("reproduce.command" if command else "reproduce.config", version=version),
        "command": command,
        "facts": facts,
    }
