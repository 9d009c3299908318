"""The gate: a challenger against the champion, on the same loans, new to both.

Both are judged as they are deployed, by calibrated PDs. The gain is the paired difference, with
DeLong's interval for the AUC and the normal one of a mean for Brier score and log loss
(:mod:`fed_credit.evaluation.paired`). A challenger passes if

- the vintage has enough good and bad loans,
- the gain over all loans reaches the margin, by its estimate or by the lower end of its interval,
- no assessable bank loses more than the limit. With few bad loans an estimate is mostly noise, and
  among many small banks one always seems to lose: below ``small_bank_bads`` a loss counts only
  where the whole interval is one.

A bank that is not assessable is not protected by the gate, and is named as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from fed_credit.config.retrain import By, GateSpec, Measure
from fed_credit.config.spec import EvaluationSpec
from fed_credit.evaluation.intervals import Interval
from fed_credit.evaluation.paired import differences, is_assessable
from fed_credit.files import plain
from fed_credit.reporting.html.texts import Text

_NAN = float("nan")
_NAMES = {
    Measure.AUC: Text("AUC", "AUC"),
    Measure.BRIER: Text("Brier score", "Brier 分数"),
    Measure.LOG_LOSS: Text("log loss", "对数损失"),
}


@dataclass(frozen=True, eq=False)
class Judged:
    """The loans of a vintage, scored by both models.

    Parameters
    ----------
    names : tuple of str
        Banks, in the order of their codes.
    bank : numpy.ndarray
        ``(n,) int64``: the loan's bank.
    y : numpy.ndarray
        ``(n,) int8``: 1 bad, 0 good.
    champion, challenger : numpy.ndarray
        ``(n,) float64``: calibrated PDs.
    """

    names: tuple[str, ...]
    bank: np.ndarray
    y: np.ndarray
    champion: np.ndarray
    challenger: np.ndarray


@dataclass(frozen=True)
class Gain:
    """What the challenger gains on some loans, in each measure; more is better for the challenger.

    Parameters
    ----------
    loans, bads : int
        On which.
    champion, challenger : mapping of str to float
        The measures' values.
    gain : mapping of str to Interval
        By measure; a fall of a loss counts as a gain. All NaN where it is not defined.
    """

    loans: int
    bads: int
    champion: Mapping[str, float]
    challenger: Mapping[str, float]
    gain: Mapping[str, Interval]


@dataclass(frozen=True)
class BankGain:
    """What one bank gains.

    Parameters
    ----------
    name : str
        The bank.
    gain : Gain
        What.
    state : str
        ``not assessable``, ``hurt``, ``unsure`` (it seems to lose more than the limit, but the bank
        is small and its interval reaches zero) or ``fine``.
    """

    name: str
    gain: Gain
    state: str


@dataclass(frozen=True)
class GateResult:
    """What the gate found.

    Parameters
    ----------
    passed : bool
        Whether the challenger may be promoted.
    measure : Measure
        What decided.
    overall : Gain
        Over all loans of the vintage.
    banks : tuple of BankGain
        Worst first, those that are not assessable last.
    reasons : tuple of Text
        Sentences: why it passed, or why not.
    """

    passed: bool
    measure: Measure
    overall: Gain
    banks: tuple[BankGain, ...]
    reasons: tuple[Text, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, NaN as None, for the registry's record."""
        body = asdict(self)
        body["measure"] = str(self.measure)
        found: dict[str, Any] = plain(body)
        return found


def judge(loans: Judged, spec: GateSpec, evaluation: EvaluationSpec) -> GateResult:
    """Let a challenger stand against the champion.

    Parameters
    ----------
    loans : Judged
        Of the vintage.
    spec : GateSpec
        What it has to show.
    evaluation : EvaluationSpec
        Calibration groups of the measures.

    Returns
    -------
    GateResult
    """
    how = replace(evaluation, confidence=spec.confidence, min_bads=spec.bank_min_bads)
    overall = _gain(loans, np.ones(len(loans.y), dtype=bool), how)
    banks = [
        _bank(name, _gain(loans, loans.bank == k, how), spec)
        for k, name in enumerate(loans.names)
        if (loans.bank == k).any()
    ]
    banks.sort(key=lambda bank: _order(bank, spec.measure))
    against = [*_thin(overall, spec), *_margin(overall, spec), *_hurt(banks, spec)]
    passed = not against
    reasons = against or [_beats(overall, spec), _worst(banks, spec)]
    return GateResult(passed, spec.measure, overall, tuple(banks), (*reasons, *_blind(banks)))


def _gain(loans: Judged, chosen: np.ndarray, how: EvaluationSpec) -> Gain:
    y = loans.y[chosen]
    one, other = loans.champion[chosen], loans.challenger[chosen]
    bads = int(y.sum())
    if not is_assessable(y, how):
        nothing = {str(name): _NAN for name in Measure}
        unknown = {str(name): Interval(_NAN, _NAN, _NAN) for name in Measure}
        return Gain(len(y), bads, nothing, nothing, unknown)
    found = {item.measure: item for item in differences(y, one, other, how)}
    gains = {}
    for name in Measure:
        interval = found[name].interval
        if name is not Measure.AUC:  # less is better
            interval = Interval(-interval.value, -interval.hi, -interval.lo)
        gains[str(name)] = interval
    return Gain(
        len(y),
        bads,
        {str(name): found[name].one for name in Measure},
        {str(name): found[name].other for name in Measure},
        gains,
    )


def _bank(name: str, gain: Gain, spec: GateSpec) -> BankGain:
    found = gain.gain[spec.measure]
    if np.isnan(found.value):
        return BankGain(name, gain, "not assessable")
    if found.value >= -spec.max_bank_loss:
        return BankGain(name, gain, "fine")
    sure = gain.bads >= spec.small_bank_bads or found.hi < 0.0
    return BankGain(name, gain, "hurt" if sure else "unsure")


def _order(bank: BankGain, measure: Measure) -> tuple[bool, float]:
    value = bank.gain.gain[measure].value
    unknown = bool(np.isnan(value))
    return unknown, 0.0 if unknown else value


def _thin(overall: Gain, spec: GateSpec) -> list[Text]:
    goods = overall.loans - overall.bads
    if min(overall.bads, goods) >= spec.min_bads:
        return []
    return [
        Text(
            f"The vintage has {overall.bads} bad and {goods} good loans; {spec.min_bads} of each"
            " are needed to judge.",
            f"该批贷款有 {overall.bads} 笔违约、{goods} 笔正常，判断各需 {spec.min_bads} 笔。",
        )
    ]


def _margin(overall: Gain, spec: GateSpec) -> list[Text]:
    found = overall.gain[spec.measure]
    if np.isnan(found.value):
        return [
            Text(
                f"With fewer than {spec.bank_min_bads} bad or good loans nothing is measured, so"
                " the challenger is not shown to be better.",
                f"违约或正常贷款不足 {spec.bank_min_bads} 笔，无法度量，故未能证明挑战者更好。",
            )
        ]
    reached = found.value if spec.by is By.ESTIMATE else found.lo
    # A margin of 0 has to be passed.
    if reached > spec.margin or (reached == spec.margin and spec.margin > 0):
        return []
    return [
        Text(
            f"The challenger is not shown to be better: {_compared(overall, spec).en}, and"
            f" {_asked(spec).en}.",
            f"未能证明挑战者更好：{_compared(overall, spec).zh}，而{_asked(spec).zh}。",
        )
    ]


def _asked(spec: GateSpec) -> Text:
    if spec.by is By.ESTIMATE:
        return Text(f"a gain of {spec.margin:g} is asked for", f"要求的提升为 {spec.margin:g}")
    return Text(
        f"the lower end is asked to be above {spec.margin:g}", f"要求区间下限高于 {spec.margin:g}"
    )


def _compared(overall: Gain, spec: GateSpec) -> Text:
    key = spec.measure
    before, after, gain = overall.champion[key], overall.challenger[key], overall.gain[key]
    name = _NAMES[key]
    interval = f"{gain.value:+.4f} [{gain.lo:+.4f}, {gain.hi:+.4f}]"
    return Text(
        f"{name.en} {after:.4f} against {before:.4f} on {overall.loans} loans with {overall.bads}"
        f" bads, a gain of {interval} at {spec.confidence:.0%}",
        f"{name.zh} 为 {after:.4f}，冠军为 {before:.4f}（{overall.loans} 笔贷款，其中"
        f" {overall.bads} 笔违约），提升 {interval}（置信度 {spec.confidence:.0%}）",
    )


def _beats(overall: Gain, spec: GateSpec) -> Text:
    found = _compared(overall, spec)
    return Text(f"The challenger is better: {found.en}.", f"挑战者更好：{found.zh}。")


def _hurt(banks: Sequence[BankGain], spec: GateSpec) -> list[Text]:
    return [
        Text(
            f"{bank.name} would lose {-bank.gain.gain[spec.measure].value:.4f}"
            f" ({bank.gain.bads} bads), more than {spec.max_bank_loss:g}.",
            f"{bank.name} 将损失 {-bank.gain.gain[spec.measure].value:.4f}"
            f"（{bank.gain.bads} 笔违约），超过 {spec.max_bank_loss:g}。",
        )
        for bank in banks
        if bank.state == "hurt"
    ]


def _worst(banks: Sequence[BankGain], spec: GateSpec) -> Text:
    known = [bank for bank in banks if bank.state != "not assessable"]
    if not known:
        return Text("No bank can be assessed on its own.", "没有一家银行可以单独评估。")
    value = known[0].gain.gain[spec.measure].value
    unsure = [bank.name for bank in known if bank.state == "unsure"]
    more = Text("", "")
    if unsure:
        more = Text(
            f" {', '.join(unsure)} may lose more than {spec.max_bank_loss:g}: too few bad loans to"
            " tell.",
            f"{'、'.join(unsure)} 的损失可能超过 {spec.max_bank_loss:g}，"
            "但违约贷款太少，无法判断。",
        )
    return Text(
        f"Of {len(known)} assessable banks the worst is {known[0].name} with {value:+.4f}."
        f"{more.en}",
        f"在 {len(known)} 家可评估的银行中，最差的是 {known[0].name}，变化 {value:+.4f}。{more.zh}",
    )


def _blind(banks: Sequence[BankGain]) -> list[Text]:
    names = [bank.name for bank in banks if bank.state == "not assessable"]
    if not names:
        return []
    return [
        Text(
            f"Not assessable, with too few bad or good loans in the vintage: {', '.join(names)}.",
            f"因该批贷款中违约或正常贷款太少而无法评估：{'、'.join(names)}。",
        )
    ]
