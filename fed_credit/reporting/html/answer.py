"""The answer in words: is the federation worth it, for whom, and how sure is that.

Everything is derived from the intervals in ``results.json``: a bank gains or loses only if its
whole interval lies on one side of zero. Losers are named first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from fed_credit.reporting.html.svg import signed
from fed_credit.reporting.html.texts import Text, joined, same, text
from fed_credit.reporting.table import level, number

PAIR = "federated_minus_local"
_MOST_NAMED = 6


@dataclass(frozen=True)
class Answer:
    """What a reader takes away who reads nothing else.

    Parameters
    ----------
    tone : str
        ``gain``, ``lose``, ``mixed`` or ``open``: for the colour of the box.
    headline : Text
        One sentence.
    points : tuple of Text
        For whom, how much, how sure; a sentence or two each.
    """

    tone: str
    headline: Text
    points: tuple[Text, ...]


def verdict_of(bank: dict[str, Any]) -> str:
    """Return ``gain``, ``lose``, ``undecided`` or ``not_assessable`` for a bank of the results."""
    delta = bank["delta"].get(PAIR)
    if not bank["assessable"] or delta is None or delta["lo"] is None or delta["hi"] is None:
        return "not_assessable"
    return "gain" if delta["lo"] > 0 else "lose" if delta["hi"] < 0 else "undecided"


def answer(results: dict[str, Any], profit: dict[str, float]) -> Answer:
    """Put the answer into words.

    Parameters
    ----------
    results : dict
        The body of ``results.json``.
    profit : dict
        ``gain_good`` and ``loss_bad`` of the configuration.

    Returns
    -------
    Answer
    """
    overall = results["overall"].get(PAIR)
    small = [bank for bank in results["institutions"] if not bank["assessable"]]
    if overall is None:
        return Answer("open", text("headline.no_baseline"), _yardsticks(results))
    minimum = results["evaluation"]["min_bads"]
    if overall["value"] is None:
        headline = text("headline.none_assessable", min=minimum)
        return Answer("open", headline, (*_money(results, profit), *_yardsticks(results)))
    by_verdict: dict[str, list[dict[str, Any]]] = {}
    for bank in results["institutions"]:
        by_verdict.setdefault(verdict_of(bank), []).append(bank)
    tone, headline = _headline(overall, by_verdict)
    points = [
        *_whom(by_verdict),
        *(
            [text("answer.not_assessable", min=minimum, n=len(small), names=_names(small))]
            if small
            else []
        ),
        _average(results, overall),
        *_certainty(results, by_verdict),
        *_money(results, profit),
        *_yardsticks(results),
    ]
    return Answer(tone, headline, tuple(points))


def _headline(
    overall: dict[str, Any], by_verdict: dict[str, list[dict[str, Any]]]
) -> tuple[str, Text]:
    lose, gain = by_verdict.get("lose", []), by_verdict.get("gain", [])
    decided = overall["lo"] is not None and overall["hi"] is not None
    up = decided and overall["lo"] > 0
    down = decided and overall["hi"] < 0
    if lose and gain:
        found = text("headline.mixed", losers=_names(lose), gainers=_names(gain))
        return "mixed", found
    if lose:
        open_ = len(by_verdict.get("undecided", []))
        key = "headline.not_shown" if open_ and not down else "headline.not_worth"
        return "lose", text(key, losers=_names(lose), n=open_)
    if down:
        return "lose", text("headline.not_on_average")
    if up:
        return "gain", text("headline.worth_it" if gain else "headline.worth_on_average")
    if gain:
        n = len(gain) + len(by_verdict.get("undecided", []))
        return "gain", text("headline.some", gain=len(gain), n=n)
    return "open", text("headline.undecided")


def _whom(by_verdict: dict[str, list[dict[str, Any]]]) -> list[Text]:
    found = []
    for verdict, some, none in (
        ("lose", "answer.losers", "answer.no_losers"),
        ("gain", "answer.gainers", "answer.no_gainers"),
    ):
        banks = by_verdict.get(verdict, [])
        if verdict == "gain":
            banks = banks[::-1]  # the largest gain first
        found.append(text(some, n=len(banks), names=_named(banks)) if banks else text(none))
    if undecided := by_verdict.get("undecided"):
        found.append(text("answer.undecided", n=len(undecided), names=_names(undecided)))
    return found


def _named(banks: Sequence[dict[str, Any]]) -> Text:
    """Name banks with their differences."""
    return joined(
        [
            text("answer.named", name=bank["name"], delta=delta_text(bank["delta"][PAIR]))
            for bank in banks
        ],
        _MOST_NAMED,
    )


def _names(banks: Sequence[dict[str, Any]]) -> Text:
    return joined([bank["name"] for bank in banks], _MOST_NAMED)


def delta_text(interval: dict[str, float | None], decimals: int = 3) -> Text:
    """Write a difference with its interval; a dash where there is none."""
    value, lo, hi = interval["value"], interval["lo"], interval["hi"]
    if value is None or lo is None or hi is None:
        return same("–")
    ends = f"[{signed(lo, decimals)}, {signed(hi, decimals)}]"
    return same(f"{signed(value, decimals)} {ends}")


def _average(results: dict[str, Any], overall: dict[str, Any]) -> Text:
    value, lo, hi = overall["value"], overall["lo"], overall["hi"]
    n = overall["gain"] + overall["lose"] + overall["undecided"]
    interval = text("interval.from_to", lo=_signed(lo), hi=_signed(hi))
    said = text(
        "answer.average_up" if value >= 0 else "answer.average_down",
        n=n,
        value=number(abs(value)),
        level=level(results),
        range=interval,
        pairs=f"{abs(value) * 1000:.0f}",
    )
    if lo is None or hi is None or lo > 0 or hi < 0:
        return said
    more = text("answer.average_open")
    return Text(f"{said.en} {more.en}", said.zh + more.zh)


def _signed(value: float | None) -> str:
    return "–" if value is None else signed(value, 3)


def _certainty(results: dict[str, Any], by_verdict: dict[str, list[dict[str, Any]]]) -> list[Text]:
    evaluation = results["evaluation"]
    repeats = evaluation["repeats"]
    kind = "sure_one"
    if repeats > 1:
        kind = "sure_fixed" if evaluation["split"] == "out_of_time" else "sure_several"
    said = [text(f"answer.{kind}", level=level(results), repeats=repeats)]
    judged = [
        bank for verdict in ("lose", "gain", "undecided") for bank in by_verdict.get(verdict, [])
    ]
    half = median((b["delta"][PAIR]["hi"] - b["delta"][PAIR]["lo"]) / 2 for b in judged)
    said.append(text("answer.reach", half=number(half)))
    expected = len(judged) * (1 - evaluation["confidence"])
    if len(judged) > 1:
        said.append(text("answer.chance", n=len(judged), expected=f"{expected:.2g}"))
    return [Text(" ".join(t.en for t in said), "".join(t.zh for t in said))]


def _money(results: dict[str, Any], profit: dict[str, float]) -> list[Text]:
    decision = results["decision"]
    if "local" not in decision or "federated" not in decision:
        return []
    return [
        text(
            "answer.money",
            federated=money(decision["federated"]["profit_per_loan"]),
            local=money(decision["local"]["profit_per_loan"]),
            gain=f"{profit['gain_good']:g}",
            loss=f"{profit['loss_bad']:g}",
        )
    ]


def money(value: float | None) -> str:
    """Write a profit per loan, three decimals; a dash where there is none."""
    if value is None:
        return "–"
    return f"−{abs(value):.3f}" if value < 0 and round(value, 3) else f"{abs(value):.3f}"


def _yardsticks(results: dict[str, Any]) -> tuple[Text, ...]:
    found = []
    pooled = results["overall"].get("federated_minus_pooled")
    if pooled is not None and pooled["hi"] is not None:
        key = "answer.pooled_better" if pooled["hi"] < 0 else "answer.pooled_worse"
        found.append(text(key, delta=delta_text(pooled)))
    best = results["test"].get("best_reachable")
    if best is not None:
        federated = number(results["test"]["federated"]["auc"])
        found.append(text("answer.reachable", federated=federated, best=number(best["auc"])))
    return tuple(found)
