"""From an application to a decision: the champion decides, the challenger looks on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from json.encoder import encode_basestring as quoted
from typing import Any

from fed_credit.decision_log.records import Decision, new_id
from fed_credit.scoring.record import RecordError, RecordScore
from fed_credit.scoring.result import ReasonText
from fed_credit.scoring.scorer import Explain
from fed_credit.serving.answers import Refusal, to_json
from fed_credit.serving.live import Live
from fed_credit.serving.metrics import Metrics
from fed_credit.storage.clock import now

_LONGEST_APPLICATION = 200
_NAMES = frozenset({"application_id", "loan"})


def application_of(body: Any) -> tuple[str | None, dict[str, Any]]:
    """Take ``{"application_id": ..., "loan": {...}}`` apart.

    Parameters
    ----------
    body : object
        Plain values, as they came.

    Returns
    -------
    tuple of str or None and dict of str to object
        The client's own name for the application, and its fields.

    Raises
    ------
    Refusal
        422, if it is anything else.
    """
    if body.__class__ is not dict or not body.keys() <= _NAMES or "loan" not in body:
        raise Refusal(422, 'Send {"application_id": TEXT or null, "loan": {FIELD: VALUE, ...}}.')
    loan = body["loan"]
    if loan.__class__ is not dict:
        raise Refusal(422, "must be an object of fields with their values", "loan")
    application = body.get("application_id")
    if application is None:
        return None, loan
    if (
        application.__class__ is not str
        or not 0 < len(application) <= _LONGEST_APPLICATION
        or not application.isprintable()
    ):
        raise Refusal(
            422,
            f"must be text of 1 to {_LONGEST_APPLICATION} printable letters, or null",
            "application_id",
        )
    return application, loan


def id_for(key: str, idempotency: str) -> str:
    """Return the id of a decision that a caller asked for under a name of its own."""
    return hashlib.sha256(f"{key}\0{idempotency}".encode()).hexdigest()[:32]


class Shadow:
    """The challenger's turn: within a budget of time, and never the end of an answer.

    Each decision earns the budget and each look spends what it took, so that over time no more than
    the budget is added to an answer.

    Parameters
    ----------
    metrics : Metrics
        Counts what came of it.
    budget_s : float
        Seconds for each decision.
    """

    _MOST_SAVED = 20  # decisions whose budget may be spent at once

    def __init__(self, metrics: Metrics, budget_s: float) -> None:
        self._metrics = metrics
        self._budget = budget_s
        self._left = budget_s

    def look(self, live: Live, loan: dict[str, Any], verdict: str) -> dict[str, Any] | None:
        """Score an application as the challenger would.

        Parameters
        ----------
        live : Live
            The challenger.
        loan : dict of str to object
            The application.
        verdict : str
            The champion's.

        Returns
        -------
        dict of str to object or None
            What goes into the log; None if there was no time, or it failed.
        """
        self._left = min(self._left + self._budget, self._MOST_SAVED * self._budget)
        if self._left < 0.0:
            self._metrics.shadow["skipped"] += 1
            return None
        start = time.thread_time()  # what others make this thread wait is not its doing
        try:
            score = live.record_scorer.score(live.form.kept(loan), Explain.NONE)
        except (RecordError, Refusal):  # its schema asks for more, or for something else
            self._metrics.shadow["rejected"] += 1
            return None
        except Exception:  # whatever is wrong with it, the champion's answer stands
            self._metrics.shadow["failed"] += 1
            return None
        finally:
            self._left -= time.thread_time() - start
        self._metrics.shadow["agreed" if score.verdict == verdict else "differed"] += 1
        return {
            "model": live.version,
            "pd": score.pd,
            "score": score.score,
            "verdict": str(score.verdict),
        }


def decide(
    live: Live,
    challenger: Live | None,
    shadow: Shadow,
    metrics: Metrics,
    application: str | None,
    loan: dict[str, Any],
    key: str,
    name: str | None = None,
) -> Decision:
    """Decide on an application.

    Parameters
    ----------
    live : Live
        The champion.
    challenger : Live or None
        Scores along.
    shadow : Shadow
        Its turn.
    metrics : Metrics
        Counts the decision, or the problems.
    application : str or None
        The client's own name for it.
    loan : dict of str to object
        Its fields.
    key : str
        Id of the caller's API key.
    name : str or None
        Id for the decision; None for a new one.

    Returns
    -------
    Decision
        Not yet in the log.

    Raises
    ------
    Refusal
        422, with each problem of the application.
    """
    kept = live.form.kept(loan, None if challenger is None else challenger.form)
    try:
        score = live.record_scorer.score(kept, Explain.DECLINED)
    except RecordError as error:
        fields = live.schema.fields
        for problem in error.problems:
            # A caller's own words must not become names of series without end.
            metrics.rejected[problem.field if problem.field in fields else "other"] += 1
        raise Refusal.of([(problem.field, problem.reason) for problem in error.problems]) from None
    verdict = str(score.verdict)
    beside = None if challenger is None else shadow.look(challenger, kept, verdict)
    metrics.decided(live.version, verdict, score.grade, score.score)
    return Decision(
        id=new_id() if name is None else name,
        time=now(),
        application=application,
        model=live.version,
        model_sha256=live.sha256,
        inputs=kept,
        model_pd=score.model_pd,
        pd=score.pd,
        score=score.score,
        grade=score.grade,
        verdict=verdict,
        reasons=tuple(reason_body(reason) for reason in score.reasons),
        key=key,
        shadow=beside,
    )


def reason_body(reason: ReasonText) -> dict[str, Any]:
    """Return a reason as plain values."""
    return {
        "feature": reason.feature,
        "value": reason.value,
        "amount": reason.amount,
        "unit": reason.unit,
        "en": reason.en,
        "zh": reason.zh,
    }


class Answers:
    """Decisions as callers see them.

    Parameters
    ----------
    languages : list of str
        Of the reasons.
    """

    def __init__(self, languages: list[str]) -> None:
        self._left_out = {"en", "zh"} - set(languages)

    def decision(self, decision: Decision) -> dict[str, Any]:
        """Return the answer to an application."""
        return {
            "id": decision.id,
            "time": decision.time,
            "application_id": decision.application,
            "model": {"version": decision.model, "sha256": decision.model_sha256},
            "pd": decision.pd,
            "score": decision.score,
            "grade": decision.grade,
            "verdict": decision.verdict,
            "reasons": self._reasons(decision.reasons),
        }

    def text(self, decision: Decision) -> str:
        """Return :meth:`decision` as JSON; put together by hand, which takes half the time."""
        reasons = ",".join([self._reason_text(reason) for reason in decision.reasons])
        application = decision.application
        named = "null" if application is None else quoted(application)
        return (
            f'{{"id":"{decision.id}","time":"{decision.time}","application_id":{named},'
            f'"model":{{"version":{decision.model},"sha256":"{decision.model_sha256}"}},'
            f'"pd":{decision.pd!r},"score":{decision.score},"grade":{quoted(decision.grade)},'
            f'"verdict":"{decision.verdict}","reasons":[{reasons}]}}'
        )

    def _reason_text(self, reason: Mapping[str, Any]) -> str:
        value = reason["value"]
        if value.__class__ is float:
            told = repr(value)
        else:
            told = quoted(value) if value.__class__ is str else to_json(value)
        en = "" if "en" in self._left_out else f',"en":{quoted(reason["en"])}'
        zh = "" if "zh" in self._left_out else f',"zh":{quoted(reason["zh"])}'
        return (
            f'{{"feature":{quoted(reason["feature"])},"value":{told},'
            f'"amount":{reason["amount"]!r},"unit":"{reason["unit"]}"{en}{zh}}}'
        )

    def score(self, score: RecordScore) -> dict[str, Any]:
        """Return a score that decides nothing."""
        return {
            "pd": score.pd,
            "score": score.score,
            "grade": score.grade,
            "verdict": str(score.verdict),
            "reasons": self._reasons(tuple(map(reason_body, score.reasons))),
        }

    def _reasons(self, reasons: tuple[Mapping[str, Any], ...]) -> list[Mapping[str, Any]]:
        if not self._left_out:
            return list(reasons)
        return [
            {name: value for name, value in reason.items() if name not in self._left_out}
            for reason in reasons
        ]
