"""Sections of the model card on how PDs become decisions: calibration, grades, cut-offs."""

from __future__ import annotations

from collections.abc import Iterator

from fed_credit.config.decision import CalibrationMethod
from fed_credit.model_file.card_parts import (
    CardSection,
    Cell,
    Words,
    both,
    count,
    figure,
    percent,
    probability,
    section,
    table,
)
from fed_credit.model_file.contents import ModelFile

_METHODS = {
    CalibrationMethod.NONE: both(
        "The model's own PDs are taken as they are.", "直接采用模型自身的 PD，未作校准。"
    ),
    CalibrationMethod.SHIFT: both(
        "The log-odds are moved so that the mean PD is right.", "平移对数几率，使平均 PD 准确。"
    ),
    CalibrationMethod.PLATT: both(
        "The log-odds are moved and stretched (Platt scaling).",
        "平移并拉伸对数几率（Platt 缩放）。",
    ),
}
_CHOSEN = {
    "given": both("It was given.", "阈值为指定值。"),
    "validation": both(
        "It is where the profit of the validation loans is highest.", "取验证样本利润最高处。"
    ),
    "break_even": both(
        "It is where an approved loan is expected to gain nothing; no loans were there to choose"
        " it on.",
        "取批准贷款预期收益为零处；没有样本可供选择。",
    ),
}
_UNLIKELY = 0.05


def decision_sections(model: ModelFile) -> Iterator[CardSection]:
    """Yield the sections on calibration and the long run, on policy, and on grades."""
    yield _calibration(model)
    yield _policy(model)
    yield _grades(model)


def _calibration(model: ModelFile) -> CardSection:
    own = model.calibration
    long_run = model.evaluation.get("long_run", {})
    years = long_run.get("years")
    level, observed = percent(own.default_rate, 2), percent(long_run.get("observed"), 2)
    on = both(
        f" On {count(own.loans)} loans, {count(own.bads)} bad.",
        f"基于 {count(own.loans)} 笔贷款，其中坏 {count(own.bads)} 笔。",
    )
    method = _METHODS[CalibrationMethod(own.method)]
    return section(
        "calibration",
        both("Calibration and the long-run default rate", "校准与长期平均违约率"),
        [
            both(
                f"{method['en']}{on['en'] if own.loans else ''} Shift {figure(own.shift, 4)}, slope"
                f" {figure(own.slope, 4)}; no PD is below {percent(own.floor, 2)}.",
                f"{method['zh']}{on['zh'] if own.loans else ''}平移 {figure(own.shift, 4)}，斜率"
                f" {figure(own.slope, 4)}；PD 下限 {percent(own.floor, 2)}。",
            ),
            both(
                f"The mean PD was moved to a long-run default rate of {level}, which was given, and"
                f" not to what the loans at hand showed ({observed}).",
                f"平均 PD 已调整至给定的长期平均违约率 {level}，而非样本自身违约率（{observed}）。",
            )
            if own.long_run
            else both(
                "No long-run default rate was given: PDs are at the level of the loans at hand"
                f" (default rate {observed}), which is that of their part of the cycle. A bank that"
                " needs PDs for the long run sets its rate (fed-credit model edit"
                " --long-run-default-rate).",
                f"未给定长期平均违约率：PD 处于样本自身水平（违约率 {observed}），"
                "即所处周期阶段的水平。需要长期 PD 的银行可自行设定"
                "（fed-credit model edit --long-run-default-rate）。",
            ),
            both(
                "The default rate by year of decision shows the cycle behind these loans.",
                "按审批年度的违约率反映样本所经历的周期。",
            )
            if years
            else both(
                "The default rate by year is not known here, so the cycle behind these loans cannot"
                " be seen.",
                "此处不知道各年度违约率，无法看出样本所经历的周期。",
            ),
        ],
        table=table(
            [
                both("Year of decision", "审批年度"),
                both("Loans", "笔数"),
                both("Bad", "坏"),
                both("Default rate", "违约率"),
            ],
            (
                (
                    str(year["year"]),
                    count(year["loans"]),
                    count(year["bads"]),
                    percent(year["default_rate"]),
                )
                for year in years or ()
            ),
        ),
    )


def _policy(model: ModelFile) -> CardSection:
    policy, found = model.policy, model.evaluation
    settings = found.get("settings", {})
    gain, loss = (f"{settings.get(key, 0):g}" for key in ("gain_good", "loss_bad"))
    band = policy.decline_from > policy.approve_below
    approve, decline = percent(policy.approve_below, 2), percent(policy.decline_from, 2)
    rows: list[tuple[Cell, ...]] = []
    for name, label in (
        ("validation", both("Validation loans", "验证样本")),
        ("test", both("Test loans", "测试样本")),
    ):
        part = found.get(name)
        if part is not None:
            made = part["decision"]
            rates = (made[f"{key}_rate"] for key in ("approval", "referral", "decline"))
            profit = figure(made["profit_per_loan"])
            rows.append((label, *map(percent, rates), percent(made["bad_rate_approved"]), profit))
    return section(
        "policy",
        both("Decision policy", "决策策略"),
        [
            both(
                f"PDs below {approve} are approved; from {decline} on they are declined; in between"
                " an underwriter decides.",
                f"PD 低于 {approve} 批准；不低于 {decline} 拒绝；其间由信贷人员决定。",
            )
            if band
            else both(
                f"PDs below {approve} are approved, all others are declined; nothing is referred to"
                " an underwriter by the PD alone.",
                f"PD 低于 {approve} 批准，其余拒绝；不因 PD 转人工。",
            ),
            _CHOSEN.get(settings.get("cut_off", "")),
            both(
                f"Profit counts {gain} for a good loan and -{loss} for a bad one, per loan scored.",
                f"利润按每笔评分贷款计：好 +{gain}，坏 -{loss}。",
            )
            if settings
            else None,
        ],
        table=table(
            [
                both("Loans", "样本"),
                both("Approved", "批准"),
                both("Referred", "转人工"),
                both("Declined", "拒绝"),
                both("Bad among the approved", "批准中的坏账率"),
                both("Profit per loan", "每笔利润"),
            ],
            rows,
        ),
    )


def _grades(model: ModelFile) -> CardSection:
    part = model.evaluation.get("test")
    grades = [] if part is None else part["grades"]
    low = [one["grade"] for one in grades if (one["p_value"] or 1.0) < _UNLIKELY]
    told: Words = both("How grades held is not known here.", "此处不知道各等级的实际表现。")
    if low:
        names = ", ".join(low)
        told = both(
            f"More bad loans than the mean PD allows, at the {_UNLIKELY:.0%} level, in: {names}.",
            f"在 {_UNLIKELY:.0%} 水平下，坏账多于平均 PD 所能解释的等级：{names}。",
        )
    elif grades:
        told = both(
            f"In no grade are there more bad loans than the mean PD allows, at the {_UNLIKELY:.0%}"
            " level.",
            f"在 {_UNLIKELY:.0%} 水平下，没有等级的坏账多于平均 PD 所能解释的数量。",
        )
    return section(
        "grades",
        both("Grades, on test loans", "测试样本：评级"),
        [
            told,
            both(
                "p: probability of as many bad loans or more if the mean PD is right and loans"
                " default independently (binomial). They do not in a downturn, so a small p alone"
                " is no proof.",
                "p：若平均 PD 准确且各贷款相互独立，出现至少这么多坏账的概率（二项检验）。"
                "下行期贷款并不独立，p 小本身不构成证明。",
            )
            if grades
            else None,
        ],
        table=table(
            [
                both("Grade", "等级"),
                both("PD from", "PD 下限"),
                both("to below", "PD 上限"),
                both("Loans", "笔数"),
                both("Share", "占比"),
                both("Mean PD", "平均 PD"),
                both("Default rate", "违约率"),
                both("p", "p"),
            ],
            (
                (
                    one["grade"],
                    percent(one["low_pd"], 2),
                    percent(one["high_pd"], 2),
                    count(one["loans"]),
                    percent(one["share"]),
                    percent(one["mean_pd"], 2),
                    percent(one["bad_rate"], 2),
                    probability(one["p_value"]),
                )
                for one in grades
            ),
        ),
    )
