"""The page of the SBA sample: ten fiscal years under one model."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fed_credit.lifecycle.charts import Axis, psi_chart, rates_chart
from fed_credit.lifecycle.pages import Section, between, known, render
from fed_credit.lifecycle.sba import FiscalYear, SbaHistory, drifted
from fed_credit.reporting.html.answer import Answer
from fed_credit.reporting.html.charts import Figure
from fed_credit.reporting.html.tables import Table
from fed_credit.reporting.html.texts import Text, same

_MOST_FEATURES = 3
_STATES = {
    "ok": Text("steady", "稳定"),
    "watch": Text("watch", "关注"),
    "alert": Text("alert", "警报"),
    "too_few": Text("too few loans", "贷款太少"),
}


def render_sba(history: SbaHistory) -> str:
    """Return the page of the SBA sample, HTML with both languages."""
    s = history.settings
    title = Text(
        f"SBA loans, {s.first} to {s.last}, under a model of {s.train_until}",
        f"{s.train_until} 年模型下的 SBA 贷款（{s.first}–{s.last}）",
    )
    question = Text("Would the monitor have seen it, and would retraining have helped?",
                    "监测能否发现变化，重训是否有用？")  # fmt: skip
    return render(title, question, answer(history), _sections(history), _foot(history))


def answer(history: SbaHistory) -> Answer:
    """Put what was found into words, as it came out."""
    later = [y for y in history.years if not y.held_out]
    seen = [y for y in later if drifted(y)]
    judged = [y for y in later if not math.isnan(y.auc.value)]
    worst = min((y.auc.value for y in judged), default=float("nan"))
    low = [y for y in judged if y.default_rate > 1.5 * y.mean_pd]
    points = [
        Text(
            f"In {len(seen)} of {len(later)} later years a feature drifted beyond what chance"
            f" explains.",
            f"在其后 {len(later)} 个年度中，有 {len(seen)} 个年度出现超出偶然的特征漂移。",
        ),
        Text(
            f"Where outcomes suffice to say ({len(judged)} years), the AUC falls to {worst:.3f} at"
            f" worst, and in {len(low)} of them more than one and a half times as many defaulted as"
            " promised.",
            f"在结果足以判断的 {len(judged)} 个年度中，AUC 最低为 {worst:.3f}；其中 {len(low)} 个"
            "年度的违约率超过预测的 1.5 倍。",
        ),
        *_won(judged),
    ]
    return Answer("lose" if worst < 0.55 else "mixed", points[1], (points[0], *points[2:]))


def _won(judged: Sequence[FiscalYear]) -> list[Text]:
    found = []
    for name, what in (
        ("in_time", Text("retrained on the labels of the day", "以当日已成熟标签重训")),
        (
            "hindsight",
            Text("retrained on all earlier loans, in hindsight", "事后以全部更早贷款重训"),
        ),
    ):
        gains = [(y.year, getattr(y, name)) for y in judged if getattr(y, name) is not None]
        if not gains:
            continue
        listed = ", ".join(f"{year}: {between(gain, 3)}" for year, gain in gains)
        found.append(Text(f"Gain in AUC, {what.en}: {listed}.", f"AUC 提升，{what.zh}：{listed}。"))
    return found


def _sections(history: SbaHistory) -> Sequence[Section]:
    return (
        Section(
            Text("Drift", "漂移"),
            (
                Text(
                    "Stability index of the score by fiscal year, against the loans that the model"
                    " was made on; the dotted line is the watch at the year's number of loans.",
                    "各财年评分相对于建模贷款的稳定性指数；虚线为该年贷款数下的关注线。",
                ),
            ),
            (
                psi_chart(
                    _axis(history.years),
                    [y.drift.score.value for y in history.years],
                    [y.drift.score.threshold for y in history.years],
                ),
                _rates(history.years),
            ),
        ),
        Section(Text("Year by year", "逐年"), tables=(_table(history.years),)),
    )


def _axis(years: Sequence[FiscalYear]) -> Axis:
    """Return the years, and every other one with its label: all of them have no room."""
    places = [float(year) for year in range(years[0].year, years[-1].year + 1, 2)]
    return Axis(
        Text("fiscal year", "财年"),
        [float(y.year) for y in years],
        places,
        [same(int(year)) for year in places],
    )


def _rates(years: Sequence[FiscalYear]) -> Figure:
    return rates_chart(
        _axis(years),
        [y.mean_pd for y in years],
        [y.default_rate for y in years],
        Text("mean PD", "平均 PD"),
        Text("default rate", "违约率"),
    )


def _table(years: Sequence[FiscalYear]) -> Table:
    header = (
        Text("fiscal year", "财年"),
        Text("loans (bads)", "贷款（违约）"),
        Text("PSI", "PSI"),
        Text("state", "状态"),
        Text("features that drifted most", "漂移最大的特征"),
        Text("mean PD", "平均 PD"),
        Text("default rate", "违约率"),
        Text("AUC", "AUC"),
        Text("gain in time", "当时重训的提升"),
        Text("gain in hindsight", "事后重训的提升"),
    )
    rows = []
    for y in years:
        moved = ", ".join(f"{n} {v:.2f}" for n, v, _ in drifted(y)[:_MOST_FEATURES]) or "–"
        interval = "" if math.isnan(y.auc.lo) else f" [{y.auc.lo:.3f}, {y.auc.hi:.3f}]"
        rows.append(
            (
                Text(f"{y.year}, held out", f"{y.year}（留出）") if y.held_out else same(y.year),
                same(f"{y.loans:,} ({y.bads:,})"),
                known(y.drift.score.value),
                _STATES[str(y.drift.score.state)],
                same(moved),
                known(y.mean_pd),
                known(y.default_rate),
                same(f"{known(y.auc.value)}{interval}"),
                between(y.in_time, 3),
                between(y.hindsight, 3),
            )
        )
    return Table(header, rows, words=frozenset({3, 4}))


def _foot(history: SbaHistory) -> Text:
    s = history.settings
    return Text(
        f"{history.banks} banks that had at least 20 labelled loans then, {s.model}; bad: charged"
        f" off within {s.window} months. The labels of {s.train_until} were complete on"
        f" {history.available}: before that day the model could not have been made. The sample is"
        " the beginning of the"
        " public file, not a random draw.",
        f"{history.banks} 家当时至少有 20 笔有标签贷款的银行，{s.model}；"
        f"违约指 {s.window} 个月内核销。"
        f"{s.train_until} 年的标签在 {history.available} 才完整，此前无法建模。"
        "该样本是公开文件的开头部分，并非随机抽样。",
    )
