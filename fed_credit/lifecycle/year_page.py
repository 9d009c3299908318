"""The page of a year: what came, what was seen, what was decided, and what it was worth."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fed_credit.lifecycle.charts import Axis, psi_chart, rates_chart
from fed_credit.lifecycle.judging import Won
from fed_credit.lifecycle.pages import Section, between, known, render, surely
from fed_credit.lifecycle.scenarios import Scenario
from fed_credit.lifecycle.year import Attempt, Month, Year
from fed_credit.reporting.html.answer import Answer
from fed_credit.reporting.html.charts import Figure
from fed_credit.reporting.html.svg import signed
from fed_credit.reporting.html.tables import Table
from fed_credit.reporting.html.texts import Text, same

SCENARIOS = {
    Scenario.NONE: Text("nothing changes", "没有变化"),
    Scenario.GRADUAL: Text(
        "applicants and what makes them default change slowly", "申请人与违约原因缓慢变化"
    ),
    Scenario.POPULATION: Text(
        "from one month on, other applicants come", "从某月起，申请人群体突变"
    ),
    Scenario.CONCEPT: Text(
        "from one month on, other things make them default", "从某月起，违约原因突变"
    ),
}
_KINDS = {
    "schedule": Text("schedule", "定期"),
    "drift": Text("drift", "漂移"),
    "labels": Text("labels", "新标签"),
    "force": Text("by hand", "手动"),
}


def render_year(year: Year) -> str:
    """Return the page of a year.

    Parameters
    ----------
    year : Year
        As it was played.

    Returns
    -------
    str
        HTML with both languages.
    """
    scenario = SCENARIOS[year.settings.scenario]
    title = Text(f"A year in the life: {scenario.en}", f"模型的一年：{scenario.zh}")
    question = Text(
        f"What did retraining win, when {scenario.en}?", f"{scenario.zh}时，重训带来了什么？"
    )
    return render(title, question, answer(year), _sections(year), _foot(year))


def answer(year: Year) -> Answer:
    """Put what a year showed into words, as it came out."""
    return Answer(surely(year.promoted.auc), _headline(year), _points(year))


def _headline(year: Year) -> Text:
    promoted = [m for m in year.months if m.attempt and m.attempt.passed]
    won = year.promoted
    if not promoted:
        return Text(
            "No challenger passed the gate: the first model stayed in use all along.",
            "没有挑战者通过关卡：始终使用最初的模型。",
        )
    gain = between(won.auc).en
    says = {
        "gain": Text("a gain beyond chance", "超出偶然的提升"),
        "lose": Text("a loss beyond chance", "超出偶然的损失"),
        "open": Text("which may be chance", "可能出于偶然"),
    }[surely(won.auc)]
    return Text(
        f"The AUC of the {won.loans:,} applications that retrained models scored differs by {gain}"
        f" from that of the first model: {says.en}.",
        f"重训模型评分的 {won.loans:,} 笔申请，其 AUC 与最初模型相差 {gain}：{says.zh}。",
    )


def _points(year: Year) -> tuple[Text, ...]:
    attempts = [m.attempt for m in year.months if m.attempt]
    promoted = sum(a.passed for a in attempts)
    alerts, watches = (
        sum(len(items) for items in found)
        for found in ([m.alerts for m in year.months], [m.watches for m in year.months])
    )
    truth = year.after.auc_truth - year.after.auc_first
    points = [
        Text(
            f"The monitor raised {alerts} alerts and {watches} watches in {len(year.months)}"
            f" months.",
            f"监测在 {len(year.months)} 个月里发出 {alerts} 个警报、{watches} 个关注。",
        ),
        Text(
            f"{len(attempts)} challengers were trained, {promoted} of them promoted.",
            f"共训练 {len(attempts)} 个挑战者，其中 {promoted} 个晋升。",
        ),
    ]
    if not math.isnan(truth):
        points.append(
            Text(
                f"In the months after, the true PD ranks {signed(truth, 3)} better than the first"
                f" model; retraining won {signed(year.after.auc.value, 3)} of that.",
                f"在此后的月份里，真实违约概率的 AUC 比最初模型高 {signed(truth, 3)}；"
                f"重训取得其中的 {signed(year.after.auc.value, 3)}。",
            )
        )
    wrong = [a for a in attempts if _wrong(a)]
    if attempts:
        points.append(
            Text(
                f"In hindsight, over the twelve months after each attempt, the gate's word was"
                f" against the sign of what came in {len(wrong)} of {len(attempts)} cases.",
                f"事后看每次尝试之后的十二个月，关卡的判断与实际结果方向相反的有"
                f" {len(wrong)}/{len(attempts)} 次。",
            )
        )
    return tuple(points)


def _wrong(attempt: Attempt) -> bool:
    assert attempt.hindsight is not None
    return attempt.passed is not bool(attempt.hindsight.auc.value > 0)


def _sections(year: Year) -> Sequence[Section]:
    return (
        Section(
            Text("What the monitor saw", "监测看到了什么"),
            (
                Text(
                    "Stability of the score by month, against the loans that the model in use was"
                    " made on. Above the dotted line a month is worth a watch; the line knows how"
                    " many loans a month has.",
                    "各月评分相对于现用模型训练贷款的稳定性指数。虚线以上值得关注；"
                    "该线考虑了当月贷款数。",
                ),
            ),
            (
                psi_chart(
                    _axis(year.months),
                    [m.psi for m in year.months],
                    [m.psi_threshold for m in year.months],
                ),
                _rates(year.months),
            ),
        ),
        Section(
            Text("Month by month", "逐月"),
            tables=(_table(year.months),),
        ),
        Section(
            Text("What the gate said, and what came", "关卡的判断与实际结果"),
            (
                Text(
                    "The gate judged on the newest matured vintage; in hindsight each challenger"
                    " is judged on the applications of the twelve months after, whose labels"
                    " nobody had.",
                    "关卡依据最新成熟的一批贷款判断；事后则用其后十二个月的申请评判每个挑战者，"
                    "而当时没有人知道这些标签。",
                ),
            ),
            tables=(_attempts(year.months),),
        ),
        Section(
            Text("Against never retraining, and against the truth", "与从不重训及真实概率相比"),
            tables=(_won(year),),
        ),
    )


def _axis(months: Sequence[Month]) -> Axis:
    places = [float(k) for k in range(len(months)) if k % max(1, len(months) // 6) == 0]
    return Axis(
        Text("month", "月份"),
        [float(k) for k in range(len(months))],
        places,
        [same(months[int(k)].day[:7]) for k in places],
    )


def _rates(months: Sequence[Month]) -> Figure:
    return rates_chart(
        _axis(months),
        [m.mean_pd for m in months],
        [m.default_rate for m in months],
        Text("mean PD of the model in use", "现用模型的平均 PD"),
        Text("default rate, known only later", "违约率（事后才知）"),
    )


def _table(months: Sequence[Month]) -> Table:
    header = (
        Text("month", "月份"),
        Text("version", "版本"),
        Text("applications", "申请"),
        Text("mean PD", "平均 PD"),
        Text("PSI", "PSI"),
        Text("alerts", "警报"),
        Text("watches", "关注"),
        Text("labels", "成熟标签"),
        Text("retraining", "重训"),
    )
    rows = [
        (
            same(m.day[:7]),
            same(m.version),
            same(f"{m.applications:,}"),
            known(m.mean_pd),
            known(m.psi),
            same(", ".join(m.alerts) or "–"),
            same(", ".join(m.watches) or "–"),
            same(f"{m.matured:,}"),
            _verdict(m.attempt),
        )
        for m in months
    ]
    return Table(header, rows, words=frozenset({5, 6, 8}))


def _verdict(attempt: Attempt | None) -> Text:
    if attempt is None:
        return same("–")
    kinds = [_KINDS[kind] for kind in attempt.triggers]
    en, zh = ", ".join(k.en for k in kinds), "、".join(k.zh for k in kinds)
    if attempt.passed:
        return Text(
            f"{en}: version {attempt.version} promoted", f"{zh}：版本 {attempt.version} 晋升"
        )
    return Text(
        f"{en}: version {attempt.version} stays a candidate",
        f"{zh}：版本 {attempt.version} 仍为候选",
    )


def _attempts(months: Sequence[Month]) -> Table:
    header = (
        Text("month", "月份"),
        Text("loans (bads) of the vintage", "该批贷款（违约）"),
        Text("gain in AUC at the gate", "关卡处的 AUC 提升"),
        Text("gate", "关卡"),
        Text("gain in hindsight", "事后的提升"),
    )
    rows = [
        (
            same(m.day[:7]),
            same(f"{m.attempt.vintage_loans:,} ({m.attempt.vintage_bads:,})"),
            between(m.attempt.gain),
            Text("passed", "通过") if m.attempt.passed else Text("failed", "未通过"),
            between(m.attempt.hindsight.auc if m.attempt.hindsight else None),
        )
        for m in months
        if m.attempt is not None
    ]
    return Table(header, rows, words=frozenset({3}))


def _won(year: Year) -> Table:
    header = (
        Text("applications", "申请"),
        Text("loans (bads)", "贷款（违约）"),
        Text("AUC first", "AUC 最初"),
        Text("AUC in use", "AUC 现用"),
        Text("AUC true PD", "AUC 真实"),
        Text("gain in AUC", "AUC 提升"),
        Text("gain in log loss", "对数损失改善"),
        Text("mean PD first / in use / default rate", "平均 PD 最初/现用/违约率"),
    )
    named: tuple[tuple[Text, Won], ...] = (
        (Text("of the year", "当年"), year.year),
        (Text("of the months after", "此后各月"), year.after),
        (Text("scored by retrained models", "由重训模型评分"), year.promoted),
    )
    rows = [
        (
            name,
            same(f"{won.loans:,} ({won.bads:,})"),
            known(won.auc_first),
            known(won.auc_live),
            known(won.auc_truth),
            between(won.auc),
            between(won.log_loss, 5),
            same(f"{known(won.mean_first)} / {known(won.mean_live)} / {known(won.default_rate)}"),
        )
        for name, won in named
    ]
    return Table(header, rows)


def _foot(year: Year) -> Text:
    s = year.settings
    bound = (
        Text("", "")
        if s.window == 24
        else Text(
            " The true PD is that of 24 months, so on these labels its AUC is near the best that"
            " can be reached, not exactly that.",
            "真实违约概率以 24 个月计，因此其 AUC 只是近似上限。",
        )
    )
    return Text(
        f"Built-in data, seed {s.seed}: {s.loans:,} loans of {s.banks} banks, {s.model}, labels"
        f" after {s.window} months.{bound.en}",
        f"内置数据，种子 {s.seed}：{s.banks} 家银行 {s.loans:,} 笔贷款，{s.model}，"
        f"标签在 {s.window} 个月后成熟。{bound.zh}",
    )
