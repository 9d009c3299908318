"""Scoring over HTTP: one application, many, and what would change a decision.

One application is answered straight from the edge, without FastAPI: that is most of what a bank
sends, and half of the time would go into layers that it does not need.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any

from fed_credit.decision_log.records import Decision
from fed_credit.errors import DecisionLogError, DuplicateError, FedCreditError
from fed_credit.scoring.changes import what_would_change
from fed_credit.scoring.record import RecordError
from fed_credit.serving.access import Caller
from fed_credit.serving.answers import Answer, Refusal, details, to_json
from fed_credit.serving.deciding import Answers, Shadow, application_of, decide, id_for
from fed_credit.serving.edge import Receive
from fed_credit.serving.intake import body_of, check_head, parsed
from fed_credit.serving.live import Live
from fed_credit.serving.state import BankState

_IDEMPOTENCY = b"idempotency-key"
_NAME = re.compile(rb"[!-~]{1,200}")
_PIECE = 16  # applications of a batch between two looks at other requests
_REPLAYED = ((b"idempotent-replayed", b"true"),)


class Applications:
    """Answers applications.

    Parameters
    ----------
    state : BankState
        The worker's.
    """

    def __init__(self, state: BankState) -> None:
        self._state = state
        self._answers = Answers(state.settings.languages)
        self._shadow = Shadow(state.metrics, state.settings.shadow_budget_ms / 1e3)
        self._limits = state.settings.limits

    async def one(self, head: Mapping[bytes, bytes], caller: Caller, receive: Receive) -> Answer:
        """Answer ``POST /v1/score``.

        Parameters
        ----------
        head : mapping of bytes to bytes
            Headers, names in lower case.
        caller : Caller
            Who is asking.
        receive : callable
            As ASGI gives it.

        Returns
        -------
        Answer
            With a decision that is in the log.

        Raises
        ------
        Refusal
            If there is none.
        """
        committer = self._state.committer
        committer.active += 1
        try:
            return await self._one(head, caller, receive)
        finally:
            committer.active -= 1

    async def _one(self, head: Mapping[bytes, bytes], caller: Caller, receive: Receive) -> Answer:
        body = await self._body(head, receive, self._limits.max_body_bytes)
        application, loan = application_of(body)
        live = self._live()
        if _IDEMPOTENCY in head:
            return await self._once(head[_IDEMPOTENCY], live, caller, application, loan)
        decision = self._decide(live, application, loan, caller.key)
        await self._log(decision)
        return self._told(decision)

    async def batch(self, head: Mapping[bytes, bytes], caller: Caller, receive: Receive) -> Answer:
        """Answer ``POST /v1/score/batch``, as :meth:`one`; all decisions go in one transaction."""
        body = await self._body(head, receive, self._limits.max_batch_bytes)
        loans = body.get("loans") if body.__class__ is dict and len(body) == 1 else None
        if loans.__class__ is not list:
            raise Refusal(422, 'Send {"loans": [{"application_id": ..., "loan": {...}}, ...]}.')
        if not 0 < len(loans) <= self._limits.max_batch_loans:
            raise Refusal(
                422, f"must hold from 1 to {self._limits.max_batch_loans} applications", "loans"
            )
        # One was taken at the edge.
        self._state.buckets.charge(caller.key, len(loans) - 1)
        live = self._live()  # one model for all of it
        results: list[dict[str, Any]] = []
        decisions: list[Decision] = []
        for place, item in enumerate(loans):
            if place % _PIECE == _PIECE - 1:
                await asyncio.sleep(0)
            try:
                application, loan = application_of(item)
                decision = self._decide(live, application, loan, caller.key)
            except Refusal as refusal:
                results.append({"problems": details(refusal.problems)["detail"]})
            else:
                decisions.append(decision)
                results.append({"decision": self._answers.decision(decision)})
        if decisions:
            await self._log(*decisions)
        return Answer(200, to_json({"results": results}).encode())

    async def what_if(
        self, head: Mapping[bytes, bytes], caller: Caller, receive: Receive
    ) -> Answer:
        """Answer ``POST /v1/what-if``; decides nothing, and nothing goes into the log."""
        body = await self._body(head, receive, self._limits.max_body_bytes)
        if body.__class__ is not dict or body.keys() != {"loan"}:
            raise Refusal(422, 'Send {"loan": {FIELD: VALUE, ...}}.')
        _, loan = application_of(body)
        live = self._live()
        loan, scorer = live.form.kept(loan), live.record_scorer
        try:
            # Many scores: in a thread, so that decisions do not wait.
            score = scorer.score(loan)
            found = await asyncio.to_thread(what_would_change, scorer, loan)
        except RecordError as error:
            raise Refusal.of([(each.field, each.reason) for each in error.problems]) from None
        alternatives = [
            {
                "changes": [
                    {
                        "field": change.field,
                        "before": change.before,
                        "after": change.after,
                        "en": change.en,
                        "zh": change.zh,
                    }
                    for change in one.changes
                ],
                "score": self._answers.score(one.score),
            }
            for one in found
        ]
        answer = {"score": self._answers.score(score), "alternatives": alternatives}
        return Answer(200, to_json(answer).encode())

    def _live(self) -> Live:
        live = self._state.live
        if live is None:
            raise Refusal(503, "No model is in service.")
        return live

    async def _body(self, head: Mapping[bytes, bytes], receive: Receive, most: int) -> Any:
        check_head(head, most)
        return parsed(await body_of(receive, most))

    def _decide(
        self,
        live: Live,
        application: str | None,
        loan: dict[str, Any],
        key: str,
        name: str | None = None,
    ) -> Decision:
        state = self._state
        return decide(live, state.shadow, self._shadow, state.metrics, application, loan, key, name)

    def _told(self, decision: Decision) -> Answer:
        return Answer(200, self._answers.text(decision).encode())

    async def _log(self, *decisions: Decision, once: bool = False) -> None:
        start = time.perf_counter()
        try:
            await self._state.committer.put(*decisions, once=once)
        except DuplicateError:
            raise
        except FedCreditError as error:
            raise self._state.unlogged(error) from None
        self._state.metrics.commits.observe(time.perf_counter() - start)

    async def _once(
        self,
        given: bytes,
        live: Live,
        caller: Caller,
        application: str | None,
        loan: dict[str, Any],
    ) -> Answer:
        """Decide once for each idempotency key of a caller, and answer the same ever after.

        The decision's id follows from the caller's and the idempotency key, and the log holds an id
        only once, so this needs no memory, and holds over workers and restarts.
        """
        if _NAME.fullmatch(given) is None:
            raise Refusal(
                422, "must be 1 to 200 letters of ASCII without blanks", "Idempotency-Key"
            )
        name = id_for(caller.key, given.decode())
        earlier = await asyncio.to_thread(self._earlier, name)
        if earlier is None:
            decision = self._decide(live, application, loan, caller.key, name)
            try:
                await self._log(decision, once=True)
                return self._told(decision)
            except DuplicateError:  # another request was quicker
                earlier = await asyncio.to_thread(self._earlier, name)
        if earlier is None:
            raise Refusal(503, "The decision cannot be read now; ask again.")
        if not _same(earlier, live, application, loan):
            raise Refusal(
                409, "was used with another application; choose a new one", "Idempotency-Key"
            )
        told = self._told(earlier)
        return Answer(told.status, told.body, _REPLAYED)

    def _earlier(self, name: str) -> Decision | None:
        try:
            return self._state.log.get(name)
        except DecisionLogError:
            return None


def _same(earlier: Decision, live: Live, application: str | None, loan: dict[str, Any]) -> bool:
    """Return whether a decision was made on this application.

    What the model of then looked at has to be the same; another one may be in service by now.
    """
    if earlier.application != application:
        return False
    if earlier.inputs != {name: loan[name] for name in earlier.inputs if name in loan}:
        return False
    return earlier.model != live.version or live.form.kept(loan).keys() <= earlier.inputs.keys()
