"""Alerts out of verdicts: one for each thing that is not as it was, in English and Chinese."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fed_credit.config.monitor import MonitorSpec, OutcomesSpec
from fed_credit.data.schema import Field
from fed_credit.drift.verdicts import (
    FeatureVerdict,
    IndexVerdict,
    MonthVerdict,
    ShareVerdict,
    State,
    VintageVerdict,
)
from fed_credit.monitoring.report import Alert, Watched
from fed_credit.monitoring.words import feature_words, group_words, period_words

SCORE = "score"
_LOUD = (State.WATCH, State.ALERT)


@dataclass(frozen=True)
class About:
    """What all alerts of a report have in common.

    Parameters
    ----------
    bank : str or None
        Whose loans; None over several banks.
    model : Watched
        The model.
    fields : mapping of str to Field
        Of its schema, by whose labels sentences call features and values.
    """

    bank: str | None
    model: Watched
    fields: Mapping[str, Field]

    def alert(
        self,
        level: State,
        kind: str,
        subject: str,
        period: str,
        value: float,
        threshold: float,
        en: str,
        zh: str,
        *,
        part: str = "",
    ) -> Alert:
        """Make an alert; ``part`` tells apart what has one kind, subject and period."""
        named = [self.bank, self.model.sha256, kind, subject, part, period, str(level)]
        digest = hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]
        return Alert(digest, level, kind, subject, period, value, threshold, en, zh)


def alerts_of(
    months: Sequence[MonthVerdict],
    vintages: Sequence[VintageVerdict],
    settings: MonitorSpec,
    about: About,
) -> tuple[Alert, ...]:
    """Return the alerts of a report.

    Parameters
    ----------
    months, vintages
        What was found, the oldest first.
    settings : MonitorSpec
        Limits.
    about : About
        Whose loans and which model.

    Returns
    -------
    tuple of Alert
        Alerts before watches; of these the newest first.
    """
    found: list[Alert] = []
    for month in reversed(months):
        found += _of_month(month, about)
    for vintage in reversed(vintages):
        found += _of_vintage(vintage, settings.outcomes, about)
    return tuple(sorted(found, key=lambda alert: alert.level is not State.ALERT))


def _of_month(month: MonthVerdict, about: About) -> Iterator[Alert]:
    if month.score.state in _LOUD:
        yield _index("psi", SCORE, month, month.score, about, "Scores", "评分")
    for feature in month.features:
        if feature.csi.state in _LOUD:
            en, zh = feature_words(feature.name, about.fields)
            values = f"Values of '{en}'", f"“{zh}”取值"
            yield _index("csi", feature.name, month, feature.csi, about, *values)
        yield from _shares(feature, month, about)


def _index(
    kind: str,
    subject: str,
    month: MonthVerdict,
    index: IndexVerdict,
    about: About,
    en: str,
    zh: str,
) -> Alert:
    loud = index.state is State.ALERT
    threshold = index.alert_threshold if loud else index.threshold
    period_en, period_zh = period_words(month.period)
    return about.alert(
        index.state,
        kind,
        subject,
        month.period,
        index.value,
        threshold,
        f"{en} in {period_en} are distributed otherwise than those the model was made on:"
        f" stability index {index.value:.3f} over {month.loans:,} loans, threshold"
        f" {threshold:.3f}.",
        f"{period_zh}{zh}的分布与建模样本不同：稳定性指数 {index.value:.3f}"
        f"（{month.loans:,} 笔），阈值 {threshold:.3f}。",
    )


def _shares(feature: FeatureVerdict, month: MonthVerdict, about: About) -> Iterator[Alert]:
    en, zh = feature_words(feature.name, about.fields)
    period_en, period_zh = period_words(month.period)
    if feature.missing.state in _LOUD:
        yield _share(
            "missing",
            feature.missing,
            feature,
            month,
            about,
            f"{en} is missing in {period_en} for",
            f"{period_zh}“{zh}”缺失的占比为",
        )
    if feature.unlisted.state in _LOUD:
        yield _share(
            "category",
            feature.unlisted,
            feature,
            month,
            about,
            f"{en} holds values in {period_en} that the schema does not list, for",
            f"{period_zh}“{zh}”出现模式未列出取值的占比为",
            part="unlisted",
        )
    for share in feature.categories:
        if share.state in _LOUD:
            group_en, group_zh = group_words(share.what, feature.name, about.fields)
            yield _share(
                "category",
                share,
                feature,
                month,
                about,
                f"{en} is '{group_en}' in {period_en} for",
                f"{period_zh}“{zh}”为“{group_zh}”的占比为",
                part=f"={share.what}",
            )


def _share(
    kind: str,
    share: ShareVerdict,
    feature: FeatureVerdict,
    month: MonthVerdict,
    about: About,
    en: str,
    zh: str,
    *,
    part: str = "",
) -> Alert:
    return about.alert(
        share.state,
        kind,
        feature.name,
        month.period,
        share.rate,
        share.threshold,
        f"{en} {share.rate:.1%} of {month.loans:,} loans; it was {share.reference:.1%}, threshold"
        f" {share.threshold:.1%}.",
        f"{zh} {share.rate:.1%}（{month.loans:,} 笔），原为 {share.reference:.1%}，"
        f"阈值 {share.threshold:.1%}。",
        part=part,
    )


def _of_vintage(vintage: VintageVerdict, outcomes: OutcomesSpec, about: About) -> Iterator[Alert]:
    period, loans = vintage.period, vintage.loans
    quarter_en, quarter_zh = period_words(period)
    level, shape, rank = vintage.level, vintage.calibration, vintage.rank
    if level.state in _LOUD:
        high = vintage.default_rate > vintage.mean_pd
        limit = _limit(outcomes.default_rate.watch, outcomes.default_rate.alert, level.state)
        ratio = vintage.mean_pd * (limit if high else 1.0 / limit)
        threshold = max(level.high, ratio) if high else min(level.low, ratio)
        yield about.alert(
            level.state,
            "default_rate",
            SCORE,
            period,
            vintage.default_rate,
            threshold,
            f"Of {loans:,} loans decided in {quarter_en} {vintage.default_rate:.1%} defaulted, and"
            f" the model said {vintage.mean_pd:.1%}; luck alone stays between {level.low:.1%} and"
            f" {level.high:.1%}.",
            f"{quarter_zh}发放的 {loans:,} 笔贷款违约率为 {vintage.default_rate:.1%}，模型预测"
            f" {vintage.mean_pd:.1%}；偶然波动的范围为 {level.low:.1%} 至 {level.high:.1%}。",
        )
    if shape.state in _LOUD:
        limit = _limit(outcomes.calibration.watch, outcomes.calibration.alert, shape.state)
        yield about.alert(
            shape.state,
            "calibration",
            SCORE,
            period,
            shape.misplaced,
            limit,
            f"Of the defaults of {quarter_en} {shape.misplaced:.0%} lie in other score groups than"
            f" the PDs say, beyond their level ({loans:,} loans, threshold {limit:.0%}).",
            f"{quarter_zh}的违约中有 {shape.misplaced:.0%} 落在与违约概率不符的评分组"
            f"（已调整总体水平，{loans:,} 笔，阈值 {limit:.0%}）。",
        )
    if rank.state in _LOUD:
        limit = _limit(outcomes.auc.watch, outcomes.auc.alert, rank.state)
        threshold = rank.reference_auc - limit
        yield about.alert(
            rank.state,
            "auc",
            SCORE,
            period,
            vintage.auc,
            threshold,
            f"The model ranks the loans of {quarter_en} less well than those it was chosen on: AUC"
            f" {vintage.auc:.3f} ({vintage.auc_low:.3f} to {vintage.auc_high:.3f}), it was"
            f" {rank.reference_auc:.3f}.",
            f"模型对 {quarter_zh}贷款的区分能力下降：AUC {vintage.auc:.3f}"
            f"（{vintage.auc_low:.3f} 至 {vintage.auc_high:.3f}），原为 {rank.reference_auc:.3f}。",
        )


def _limit(watch: float, alert: float, state: State) -> float:
    return alert if state is State.ALERT else watch
