"""Sections of the model card on what a model is worth: measured, bank by bank, by segment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fed_credit.model_file.card_parts import (
    NONE,
    CardSection,
    Cell,
    Words,
    both,
    count,
    figure,
    interval,
    listed,
    percent,
    section,
    table,
)
from fed_credit.model_file.contents import ModelFile
from fed_credit.model_file.samples import SUMS

_UNKNOWN = both("It is not in this file.", "本文件中没有此项。")
_LOANS, _BADS = both("Loans", "笔数"), both("Bad", "坏")
_RATE, _PD = both("Default rate", "违约率"), both("Mean PD", "平均 PD")


def worth_sections(model: ModelFile) -> Iterator[CardSection]:
    """Yield the sections on performance, calibration curve, segments and comparison."""
    found = model.evaluation
    yield _performance(found)
    yield _curve(found)
    yield _segments(found)
    yield _comparison(found)


def _performance(found: Mapping[str, Any]) -> CardSection:
    title = both("Performance in time and out of time", "样本内外表现")
    parts = [found.get("validation"), found.get("test")]
    if not any(parts):
        return section("performance", title, [both("It was not measured.", "未作评估。")])
    settings = found["settings"]
    sums = any(part and part["model_pd"]["known_from"] == SUMS for part in parts)
    return section(
        "performance",
        title,
        [
            _time(settings["split"], found.get("test")),
            both(
                "Calibration and cut-off were chosen on the validation loans, and the best round of"
                " training too, so figures on them flatter; judge by the test loans, on which"
                " nothing was chosen.",
                "校准、阈值以及训练轮次均在验证样本上选择，其数字偏乐观；"
                "请以测试样本为准，测试样本不参与任何选择。",
            ),
            both(
                "Known from sums over banks alone: the loans of a cell are taken to have its mean"
                f" PD ({settings['histogram_bins']} cells).",
                "仅由各行汇总之和得知：同一单元内的贷款视为具有该单元的平均 PD"
                f"（共 {settings['histogram_bins']} 个单元）。",
            )
            if sums
            else None,
        ],
        table=table(
            [
                both("Measure", "指标"),
                both("Validation loans", "验证样本"),
                both("Test loans", "测试样本"),
            ],
            _measures(parts, settings["confidence"]),
        ),
    )


def _time(split: str | None, test: Mapping[str, Any] | None) -> Words:
    if split == "out_of_time" and test is not None and test["first_month"]:
        first, last = test["first_month"], test["last_month"]
        return both(
            f"The test loans are out of time: decided from {first} to {last}, after all others.",
            f"测试样本为时间外样本：审批于 {first} 至 {last}，晚于其余全部样本。",
        )
    if split == "out_of_time":
        return both(
            "The test loans are out of time: decided after all others.",
            "测试样本为时间外样本：审批晚于其余全部样本。",
        )
    if split == "random":
        return both(
            "The test loans are a random part of the same time: nothing here says how the model"
            " does on later loans.",
            "测试样本从同一时期随机抽取：此处数字不说明模型在以后贷款上的表现。",
        )
    return both(
        "How the test loans differ from the others is not in this file.",
        "测试样本与其他样本的划分方式不在本文件中。",
    )


def _measures(
    parts: Sequence[Mapping[str, Any] | None], confidence: float
) -> Iterator[tuple[Cell, ...]]:
    def row(label: Words, read: Any) -> tuple[Cell, ...]:
        return (label, *(NONE if part is None else read(part) for part in parts))

    yield row(
        both("Decided", "审批时间"),
        lambda p: f"{p['first_month']} - {p['last_month']}" if p["first_month"] else NONE,
    )
    yield row(_LOANS, lambda p: count(p["loans"]))
    yield row(_BADS, lambda p: count(p["bads"]))
    yield row(_RATE, lambda p: percent(p["default_rate"]))
    yield row(_PD, lambda p: percent(p["pd"]["mean"]))
    yield row(
        both("Mean PD before calibration", "校准前平均 PD"),
        lambda p: percent(p["model_pd"]["mean"]),
    )
    level = f"{confidence:.0%}"
    yield row(
        both(f"AUC, {level} interval", f"AUC，{level} 区间"), lambda p: interval(p["pd"]["auc"])
    )
    yield row(both("Gini", "Gini"), lambda p: figure(p["pd"]["gini"]))
    yield row(both("KS", "KS"), lambda p: figure(p["pd"]["ks"]))
    yield row(both("Brier score", "Brier 分数"), lambda p: figure(p["pd"]["brier"], 4))
    yield row(
        both("Brier score before calibration", "校准前 Brier 分数"),
        lambda p: figure(p["model_pd"]["brier"], 4),
    )
    yield row(both("Log loss", "对数损失"), lambda p: figure(p["pd"]["log_loss"], 4))
    yield row(
        both("Log loss before calibration", "校准前对数损失"),
        lambda p: figure(p["model_pd"]["log_loss"], 4),
    )
    yield row(
        both("Calibration slope (1 is right)", "校准斜率（1 为准确）"),
        lambda p: figure(p["pd"]["calibration"]["slope"], 2),
    )
    yield row(
        both("Log-odds missing on average (0 is right)", "平均对数几率偏差（0 为准确）"),
        lambda p: figure(p["pd"]["calibration"]["in_the_large"], 2),
    )


def _curve(found: Mapping[str, Any]) -> CardSection:
    test = found.get("test")
    rows: list[tuple[Cell, ...]] = []
    if test is not None:
        pairs = (test["model_pd"]["calibration"]["curve"], test["pd"]["calibration"]["curve"])
        same = len(pairs[0]) == len(pairs[1])
        for place, after in enumerate(pairs[1]):
            before = percent(pairs[0][place]["mean_pd"]) if same else NONE
            cells = (count(after["loans"]), before, percent(after["mean_pd"]))
            rows.append((str(place + 1), *cells, percent(after["bad_rate"])))
    return section(
        "calibration_curve",
        both("Promised against observed risk, on test loans", "测试样本：预测与实际风险"),
        [
            both(
                "Groups of equal size by PD, safest first.",
                "按 PD 等分的组，风险由低到高。",
            )
            if rows
            else _UNKNOWN
        ],
        table=table(
            [
                both("Group", "组"),
                _LOANS,
                both("Mean PD before calibration", "校准前平均 PD"),
                _PD,
                _RATE,
            ],
            rows,
        ),
    )


def _segments(found: Mapping[str, Any]) -> CardSection:
    segments = found.get("segments", [])
    title = both("Segments of the test loans", "测试样本分群表现")
    if not segments:
        none = both(
            "Not measured: sums over banks do not tell segments apart; each bank measures its own.",
            "未评估：各行汇总之和无法区分分群；由各行自行评估。",
        )
        return section("segments", title, [none])
    least = found["settings"]["min_bads"]
    open_ = [one for one in segments if not one["assessable"]]
    pd = found["test"]["pd"]["auc"]["value"]
    chance = (len(segments) - len(open_)) * (1.0 - found["settings"]["confidence"]) / 2.0
    behind = [
        one for one in segments if one["assessable"] and pd is not None and one["auc"]["hi"] < pd
    ]
    return section(
        "segments",
        title,
        [
            both(
                f"{len(segments)} segments; {len(open_)} of them are not assessable, with fewer"
                f" than {least} bad or good loans. A segment that is not assessable is not shown to"
                " be well served.",
                f"共 {len(segments)} 个分群；其中 {len(open_)} 个因坏或好贷款少于 {least} 笔"
                "而无法评估。无法评估不代表表现良好。",
            ),
            both(
                "Where the interval of the AUC lies below that of all test loans, the model ranks"
                f" worse: {_named(behind, 'en')}. Of so many segments about {chance:.0f} would show"
                " up here by chance.",
                f"AUC 区间低于整体 AUC、排序较差的分群：{_named(behind, 'zh')}。"
                f"分群如此之多，约 {chance:.0f} 个会仅因偶然出现于此。",
            )
            if behind
            else both(
                "In no segment does the interval of the AUC lie below the AUC of all test loans.",
                "没有分群的 AUC 区间低于整体 AUC。",
            ),
            both(
                "Mean PD and approval rate are not known since policy or calibration were changed.",
                "策略或校准重新设定后，分群的平均 PD 与批准率未知。",
            )
            if all(one["mean_pd"] is None for one in segments)
            else None,
        ],
        table=table(
            [
                both("By", "维度"),
                both("Segment", "分群"),
                _LOANS,
                _BADS,
                _RATE,
                _PD,
                both("Approved", "批准率"),
                both("AUC, interval", "AUC 及区间"),
            ],
            (
                (
                    one["label"],
                    one["value_label"],
                    count(one["loans"]),
                    count(one["bads"]),
                    percent(one["default_rate"]),
                    percent(one["mean_pd"]),
                    percent(one["approval_rate"]),
                    interval(one["auc"])
                    if one["assessable"]
                    else both("not assessable", "无法评估"),
                )
                for one in segments
            ),
        ),
    )


def _named(segments: Sequence[Mapping[str, Any]], language: str) -> str:
    return listed([f"{one['label'][language]}: {one['value_label'][language]}" for one in segments])


def _comparison(found: Mapping[str, Any]) -> CardSection:
    title = both("Bank by bank: alone, federated, pooled", "逐行比较：单独、联邦、集中")
    compared = found.get("comparison")
    if not compared:
        return section("comparison", title, [_UNKNOWN])
    banks = compared["institutions"]
    worse = [
        one["name"]
        for one in banks
        if (hi := one["delta"].get("federated_minus_local", {}).get("hi")) is not None and hi < 0
    ]
    overall = compared["overall"].get("federated_minus_local")
    counted = None
    if overall is not None:
        counted = both(
            f"Against its own model alone the federated one is worse for {overall['lose']} banks,"
            f" better for {overall['gain']}, undecided for {overall['undecided']}, and"
            f" {overall['not_assessable']} are not assessable.",
            f"与本行单独模型相比：{overall['lose']} 家变差，{overall['gain']} 家变好，"
            f"{overall['undecided']} 家无定论，{overall['not_assessable']} 家无法评估。",
        )
    return section(
        "comparison",
        title,
        [
            both(
                f"Worse than the bank's own model, by the whole interval: {listed(worse)}. Such a"
                " bank has a reason not to use it.",
                f"整个区间均表明不如本行单独模型：{listed(worse)}。这些银行有理由不使用本模型。",
            )
            if worse
            else None,
            counted,
            both(
                "AUC on the test loans of the run, worst first. It says nothing about a policy or a"
                " calibration that was set since.",
                "运行时测试样本上的 AUC，最差者在前；不反映此后设定的策略或校准。",
            ),
        ],
        table=table(
            [
                both("Bank", "银行"),
                both("Training loans", "训练笔数"),
                both("Test loans", "测试笔数"),
                _BADS,
                both("Alone", "单独"),
                both("Federated", "联邦"),
                both("Pooled", "集中"),
                both("Federated minus alone", "联邦减单独"),
            ],
            (
                (
                    one["name"],
                    count(one["n_train"]),
                    count(one["n_test"]),
                    count(one["n_bad"]),
                    *(
                        figure((one["auc"].get(name) or {}).get("value"))
                        for name in ("local", "federated", "pooled")
                    ),
                    interval(one["delta"].get("federated_minus_local"), signed=True)
                    if one["assessable"]
                    else both("not assessable", "无法评估"),
                )
                for one in banks
            ),
        ),
    )
