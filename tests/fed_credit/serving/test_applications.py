"""Scoring over HTTP: the answers are the model's, and they are in the log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fed_credit.data.schema import Kind
from fed_credit.scoring.record import RecordScorer
from fed_credit.scoring.scorer import Explain, Scorer


def _loans(bank: Any, count: int, make: Callable[..., dict[str, Any]]) -> list[dict[str, Any]]:
    """Draw applications as a program would send them: each value of its field's own type."""
    form = bank.state.live.form
    schema = bank.state.live.schema
    rng = np.random.default_rng(3)
    found = []
    while len(found) < count:
        drawn = make({name: schema.fields[name] for name in form.inputs}, rng)
        if all(
            not isinstance(value, str | bool)
            for name, value in drawn.items()
            if schema.fields[name].kind is Kind.NUMERIC
        ):
            found.append(drawn)
    return found


def test_answers_are_those_of_a_table(
    bank: Any, make_application: Callable[..., dict[str, Any]]
) -> None:
    loans = _loans(bank, 60, make_application)
    scored = Scorer(bank.place.models[1].model).table(pd.DataFrame(loans), Explain.DECLINED)
    policy = bank.place.models[1].model.policy
    assert len(scored.rows) > 50 and len(set(scored.scores.verdict)) > 1
    told = [bank.score(loan) for loan in loans]
    assert {k for k, answer in enumerate(told) if answer.status_code == 200} == set(scored.rows)
    for place, row in enumerate(scored.rows):
        body = told[row].json()
        assert body["pd"] == scored.scores.pd[place]
        assert body["score"] == scored.scores.score[place]
        assert body["grade"] == policy.scale.names[scored.scores.grade[place]]
        assert [reason["en"] for reason in body["reasons"]] == [
            reason.en for reason in scored.reasons[place]
        ]
        assert bool(body["reasons"]) == (body["verdict"] == "decline")


def test_a_decision_can_be_made_again_from_the_log(bank: Any) -> None:
    answer = bank.send("/v1/score", {"application_id": "A-77", "loan": bank.place.loan()})
    body = answer.json()
    kept = bank.state.log.get(body["id"])
    again = RecordScorer(bank.place.models[kept.model].model).score(kept.inputs)
    assert (again.pd, again.score, str(again.verdict)) == (kept.pd, kept.score, kept.verdict)
    assert (kept.application, kept.time) == ("A-77", body["time"])
    assert body["model"] == {"version": 1, "sha256": bank.place.models[1].sha256}
    whole = bank.get(f"/v1/decisions/{body['id']}").json()
    assert whole["inputs"] == dict(kept.inputs) == bank.place.loan()
    assert whole["overrides"] == [] and whole["key"] == kept.key


def test_what_a_model_does_not_look_at_is_not_kept(bank: Any) -> None:
    loan = bank.place.loan()
    assert "firm_id" in bank.state.live.schema.fields and "firm_id" not in loan
    body = bank.score({**loan, "firm_id": "F-12"}).json()
    assert bank.state.log.get(body["id"]).inputs == loan


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"firm_age": -1}, "firm_age", "is below the minimum 0"),
        ({"requested_amount": 1e9}, "requested_amount", "is above the maximum 2e+07"),
        ({"requested_amount": None}, "requested_amount", "is missing"),
        ({"firm_age": "40"}, "firm_age", "must be a number, or null"),
        ({"firm_age": True}, "firm_age", "must be a number, or null"),
        ({"sector": 3}, "sector", "must be text, or null"),
        ({"firm_age": [1]}, "firm_age", "must be a number, or null"),
        ({"frim_age": 1}, "frim_age", "is not a field of the schema. Did you mean 'firm_age'?"),
    ],
)
def test_problems_name_the_field(bank: Any, change: Any, field: str, words: str) -> None:
    before = bank.state.log.counts()["decisions"]
    for path in ("/v1/score", "/v1/what-if"):
        answer = bank.send(path, {"loan": {**bank.place.loan(), **change}})
        assert answer.status_code == 422
        assert answer.json() == {"detail": [{"field": field, "reason": words}]}
    assert bank.state.log.counts()["decisions"] == before


def test_no_value_of_a_sensitive_field_is_echoed(bank: Any) -> None:
    fields = bank.state.live.schema.fields
    secret = [name for name in bank.state.live.form.inputs if fields[name].sensitive]
    assert secret
    for name in secret:
        for value in ("987654.321", 987654321e9, [987654.321], {"a": 987654.321}):
            answer = bank.score({**bank.place.loan(), name: value})
            assert answer.status_code in (200, 422)  # outside its bounds, some count as missing
            if answer.status_code == 422:
                assert name in answer.text and "987654" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1]",
        b"null",
        b'{"loan": 1}',
        b'{"loan": {}, "other": 1}',
        b'{"application_id": 7, "loan": {}}',
        b'{"application_id": "", "loan": {}}',
        b'{"application_id": "a\\u0000", "loan": {}}',
        b'{"application_id": "\\ud800", "loan": {}}',
        b'{"loan": {"firm_age": NaN}}',
        b'{"loan": {"firm_age": Infinity}}',
        b'{"loan": {"firm_age": 1, "firm_age": 2}}',
        b'{"loan": {"firm_age": 1e999}}',
        b'{"loan": {"firm_age": ' + b"9" * 5000 + b"}}",
        b'{"loan": {"sector": "\xff"}}',
        b'\xef\xbb\xbf{"loan": {}}',
        b'{"loan": ' * 3000 + b"1" + b"}" * 3000,
        b"[" * 60_000,
    ],
)
def test_what_is_not_an_application_is_refused(bank: Any, body: bytes) -> None:
    answer = bank.client.post(
        "/v1/score",
        content=body,
        headers={**bank.headers(), "content-type": "application/json"},
    )
    assert answer.status_code == 422
    for problem in answer.json()["detail"]:
        assert problem.keys() == {"field", "reason"} and problem["reason"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/json; charset=utf-8"}, 200),
        ({"content-type": "application/json; charset=latin-1"}, 415),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": ""}, 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 415),
    ],
)
def test_only_plain_json_is_taken(bank: Any, headers: dict[str, str], status: int) -> None:
    body = json.dumps({"loan": bank.place.loan()}).encode()
    answer = bank.client.post("/v1/score", content=body, headers={**bank.headers(), **headers})
    assert answer.status_code == status


@pytest.mark.parametrize("path", ["/v1/score", "/v1/score/batch", "/v1/what-if"])
def test_long_bodies_are_refused_before_they_are_read(bank: Any, path: str) -> None:
    long = b" " * (bank.state.settings.limits.max_batch_bytes + 1)
    headers = {**bank.headers(), "content-type": "application/json"}
    assert bank.client.post(path, content=long, headers=headers).status_code == 413

    def pieces() -> Any:  # without saying how long
        for _ in range(len(long) // 4096 + 1):
            yield long[:4096]

    assert bank.client.post(path, content=pieces(), headers=headers).status_code == 413


def test_a_batch_answers_each_application(bank: Any) -> None:
    good, bad = bank.place.loan(), {**bank.place.loan(), "firm_age": -5}
    loans = [{"application_id": f"B-{k}", "loan": bad if k == 1 else good} for k in range(40)]
    results = bank.send("/v1/score/batch", {"loans": loans}).json()["results"]
    assert results[1] == {"problems": [{"field": "firm_age", "reason": "is below the minimum 0"}]}
    decisions = [one["decision"] for k, one in enumerate(results) if k != 1]
    assert [one["application_id"] for one in decisions] == [f"B-{k}" for k in range(40) if k != 1]
    assert len({one["id"] for one in decisions}) == 39
    assert decisions[0]["pd"] == bank.score(good).json()["pd"]
    for one in decisions:
        assert bank.state.log.get(one["id"]).pd == one["pd"]


def test_a_batch_has_a_limit_and_something_in_it(bank: Any) -> None:
    one = {"loan": bank.place.loan()}
    for loans in ([], [one] * (bank.state.settings.limits.max_batch_loans + 1), 3, None):
        answer = bank.send("/v1/score/batch", {"loans": loans})
        assert answer.status_code in (413, 422)
    assert bank.send("/v1/score/batch", [one]).status_code == 422


def test_the_same_idempotency_key_gives_the_same_decision(bank: Any) -> None:
    body = {"application_id": "I-1", "loan": bank.place.loan()}
    headers = {**bank.headers(), "idempotency-key": "order-66"}
    first = bank.client.post("/v1/score", json=body, headers=headers)
    before = bank.state.log.counts()["decisions"]
    second = bank.client.post("/v1/score", json=body, headers=headers)
    assert first.json() == second.json() and first.status_code == second.status_code == 200
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert bank.state.log.counts()["decisions"] == before
    fewer = {name: value for name, value in bank.place.loan().items() if name != "firm_age"}
    for loan in (bank.place.loan(firm_age=3), fewer):
        other = {**body, "loan": loan}
        assert bank.client.post("/v1/score", json=other, headers=headers).status_code == 409
    # Another caller's key of the same name is another one.
    theirs = {**bank.headers("admin"), "idempotency-key": "order-66"}
    assert (
        bank.client.post("/v1/score", json=body, headers=theirs).json()["id"] != first.json()["id"]
    )


@pytest.mark.parametrize("key", [" ", "x" * 201, "a\tb", "a b"])
def test_idempotency_keys_have_a_form(bank: Any, key: str) -> None:
    headers = {**bank.headers(), "idempotency-key": key}
    body = {"loan": bank.place.loan()}
    assert bank.client.post("/v1/score", json=body, headers=headers).status_code == 422


def test_what_would_change_leaves_no_decision(bank: Any) -> None:
    loan = bank.place.declined()
    before = bank.state.log.counts()["decisions"]
    body = bank.send("/v1/what-if", {"loan": loan}).json()
    assert body["score"]["verdict"] == bank.score(loan).json()["verdict"] == "decline"
    assert body["alternatives"]
    for one in body["alternatives"]:
        assert one["score"]["verdict"] == "approve"
        changed = {**loan, **{change["field"]: change["after"] for change in one["changes"]}}
        assert bank.score(changed).json()["pd"] == one["score"]["pd"]
    assert bank.state.log.counts()["decisions"] == before + 1 + len(body["alternatives"])


def test_the_challenger_looks_on(bank: Any) -> None:
    loan = {**bank.place.loan(2), **bank.place.loan(1)}
    assert len(loan) > len(bank.place.loan(1))  # it looks at more than the champion does
    kept = bank.state.log.get(bank.score({**loan, "firm_id": "F-1"}).json()["id"])
    assert kept.inputs == loan
    alone = RecordScorer(bank.place.models[2].model).score(kept.inputs)
    assert kept.shadow == {
        "model": 2,
        "pd": alone.pd,
        "score": alone.score,
        "verdict": str(alone.verdict),
    }


def test_a_broken_challenger_changes_no_answer(
    place: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(place) as bank:
        sound = bank.score(place.loan()).json()
        scorer = bank.state.shadow.record_scorer
        monkeypatch.setattr(scorer, "_plan", None)  # as a bug would have it
        broken = bank.score(place.loan())
        assert broken.status_code == 200 and broken.json()["pd"] == sound["pd"]
        assert bank.state.log.get(broken.json()["id"]).shadow is None
        assert bank.state.metrics.shadow["failed"] == 1


def test_a_slow_challenger_is_skipped(place: Any, serve: Any, monkeypatch: Any) -> None:
    with serve(place, shadow_budget_ms=0.5) as bank:
        scorer = bank.state.shadow.record_scorer
        score = scorer.score

        def slowly(*given: Any) -> Any:
            until = time.thread_time() + 0.02
            while time.thread_time() < until:
                pass
            return score(*given)

        monkeypatch.setattr(scorer, "score", slowly)
        for _ in range(30):
            assert bank.score(place.loan()).status_code == 200
        looked = 30 - bank.state.metrics.shadow["skipped"]
        # 30 decisions earn 15 ms, and there is one budget to begin with.
        assert 1 <= looked <= 2


def test_reasons_come_in_the_languages_that_are_set(place: Any, serve: Any) -> None:
    loan = place.declined()
    with serve(place, languages=["zh"], shadow=False) as bank:
        body = bank.score(loan).json()
        assert body["reasons"] and all("zh" in one and "en" not in one for one in body["reasons"])
        kept = bank.state.log.get(body["id"])
        assert all(one["en"] and one["zh"] for one in kept.reasons)
        assert kept.shadow is None
