"""What surrounds scoring: who may ask, for how much, what is told, counted and described."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fed_credit.errors import StorageError
from fed_credit.serving.keys import KeyRing
from fed_credit.serving.sessions import COOKIE

ROUTES = [
    ("GET", "/v1/decisions"),
    ("GET", "/v1/decisions/" + "0" * 32),
    ("GET", "/v1/model"),
    ("GET", "/v1/schema"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("POST", "/v1/score"),
    ("POST", "/v1/score/batch"),
    ("POST", "/v1/what-if"),
    ("POST", "/v1/decisions/" + "0" * 32 + "/override"),
    ("POST", "/logout"),
    ("GET", "/v1/nothing"),
]


# --- who may ask ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "header", [None, "Bearer fck_00000000_x", "Basic YTpi", "Bearer ", "Bearer \xe9", "x" * 5000]
)
def test_nothing_is_told_to_strangers(
    bank: Any, method: str, path: str, header: str | None
) -> None:
    headers = {} if header is None else {"authorization": header.encode("latin-1")}
    answer = bank.client.request(method, path, headers=headers)
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert set(answer.json()) == {"detail"}


def test_pages_send_strangers_to_sign_in(bank: Any) -> None:
    for path in ("/", "/monitoring", "/model"):
        answer = bank.client.get(path, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/v1/schema", "score"),
        ("GET", "/openapi.json", "score"),
        ("GET", "/v1/model", "read"),
        ("GET", "/v1/decisions", "read"),
        ("GET", "/metrics", "read"),
        ("POST", "/v1/decisions/" + "0" * 32 + "/override", "admin"),
    ],
)
def test_each_role_may_what_it_says(bank: Any, method: str, path: str, role: str) -> None:
    roles = ["score", "read", "admin"]
    for given in roles:
        status = bank.client.request(method, path, headers=bank.headers(given)).status_code
        assert (status == 403) == (roles.index(given) < roles.index(role)), given


def test_a_revoked_key_opens_nothing(place: Any, serve: Any) -> None:
    with serve(place) as bank:
        ring = KeyRing.load(place.home / "api_keys.json")
        key, secret = ring.add("For a moment")
        headers = {"authorization": f"Bearer {secret}"}
        assert bank.client.get("/v1/schema", headers=headers).status_code == 200
        assert bank.client.post("/login", json={"key": secret}).status_code == 204
        assert bank.client.get("/v1/schema").status_code == 200  # by the cookie
        ring.revoke(key.id)
        time.sleep(0.2)
        assert bank.client.get("/v1/schema", headers=headers).status_code == 401
        assert bank.client.get("/v1/schema").status_code == 401


# --- sessions ------------------------------------------------------------------------------------


def test_signing_in_and_out(place: Any, serve: Any) -> None:
    with serve(place) as bank:
        answer = bank.client.post("/login", json={"key": place.secrets["read"]})
        cookie = answer.headers["set-cookie"]
        assert answer.status_code == 204
        assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/"))
        assert "Secure" not in cookie  # it would not come back over plain HTTP
        token = bank.client.cookies[COOKIE]
        assert not any(token in str(path) for path in Path(place.home).rglob("*"))
        assert bank.client.get("/v1/model").status_code == 200
        assert bank.client.post("/logout").status_code == 204
        bank.client.cookies.set(COOKIE, token)  # a browser that kept it
        assert bank.client.get("/v1/model").status_code == 401


def test_cookies_are_secure_where_callers_speak_https(place: Any, serve: Any) -> None:
    with serve(place, tls={"behind_proxy": True}) as bank:
        answer = bank.client.post("/login", json={"key": place.secrets["read"]})
        assert "Secure" in answer.headers["set-cookie"]
        assert answer.headers["strict-transport-security"].startswith("max-age=")


def test_a_form_signs_in_and_goes_to_the_desk(place: Any, serve: Any) -> None:
    with serve(place) as bank:
        sent = {"data": {"key": place.secrets["read"]}, "follow_redirects": False}
        answer = bank.client.post("/login", **sent)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        sent["data"] = {"key": "wrong"}
        answer = bank.client.post("/login", **sent)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?failed=1")


def test_idle_sessions_end(place: Any, serve: Any) -> None:
    with serve(place, sessions={"idle_minutes": 0.001}) as bank:
        bank.client.post("/login", json={"key": place.secrets["read"]})
        assert bank.client.get("/v1/model").status_code == 200
        time.sleep(0.1)
        assert bank.client.get("/v1/model").status_code == 401


def test_sessions_end_after_a_lifetime(place: Any, serve: Any) -> None:
    with serve(place, sessions={"lifetime_hours": 0.00002}) as bank:
        bank.client.post("/login", json={"key": place.secrets["read"]})
        time.sleep(0.1)
        assert bank.client.get("/v1/model").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_other_sites_cannot_use_a_session(place: Any, serve: Any, headers: dict[str, str]) -> None:
    with serve(place) as bank:
        bank.client.post("/login", json={"key": place.secrets["admin"]})
        sent = {"loan": place.loan()}
        assert bank.client.post("/v1/score", json=sent, headers=headers).status_code == 403
        own = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}
        assert bank.client.post("/v1/score", json=sent, headers=own).status_code == 200
        key = {"key": place.secrets["admin"]}
        assert bank.client.post("/login", json=key, headers=headers).status_code == 403


def test_trying_keys_is_slowed_and_stopped(
    place: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fed_credit.serving.signing._PAUSE_S", 0.05)
    with serve(place, sessions={"attempts": 3}) as bank:
        start = time.monotonic()
        for _ in range(3):
            assert bank.client.post("/login", json={"key": "fck_guess"}).status_code == 401
        assert time.monotonic() - start > 0.15
        answer = bank.client.post("/login", json={"key": place.secrets["read"]})
        assert answer.status_code == 429 and 0 < int(answer.headers["retry-after"]) <= 60


# --- limits --------------------------------------------------------------------------------------


def test_each_key_has_its_own_rate(place: Any, serve: Any) -> None:
    with serve(place, limits={"requests_per_second": 0.5, "burst": 3}) as bank:
        told = [bank.get("/v1/schema", "score").status_code for _ in range(5)]
        assert told == [200, 200, 200, 429, 429]
        limited = bank.get("/v1/schema", "score")
        assert 1 <= int(limited.headers["retry-after"]) <= 2
        assert bank.get("/v1/schema", "read").status_code == 200
        assert bank.state.metrics.events["limited"] == 3


def test_a_batch_counts_as_its_loans(place: Any, serve: Any) -> None:
    with serve(place, limits={"requests_per_second": 10, "burst": 20}) as bank:
        loans = {"loans": [{"loan": place.loan()}] * 50}
        assert bank.send("/v1/score/batch", loans).status_code == 200
        limited = bank.score(place.loan())
        # 50 of 20 were taken, and 10 come back in a second.
        assert limited.status_code == 429 and int(limited.headers["retry-after"]) in (3, 4)


# --- decisions and overrides ---------------------------------------------------------------------


def test_decisions_are_listed_by_page(place: Any, serve: Any) -> None:
    with serve(place) as bank:
        made = [bank.score(place.loan(firm_age=k)).json()["id"] for k in range(7)]
        found: list[str] = []
        before: dict[str, Any] = {}
        while True:
            page = bank.get("/v1/decisions", params={"most": 3, **before}).json()
            assert all("reasons" not in one and "inputs" not in one for one in page["decisions"])
            found += [one["id"] for one in page["decisions"]]
            if page["next"] is None:
                break
            before = {"before": page["next"]}
        assert found == made[::-1]
        verdict = bank.get(f"/v1/decisions/{made[0]}").json()["verdict"]
        listed = bank.get("/v1/decisions", params={"verdict": verdict}).json()["decisions"]
        assert made[0] in [one["id"] for one in listed]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"most": 0}, "most"),
        ({"most": 501}, "most"),
        ({"most": "x"}, "most"),
        ({"before": "../.."}, "before"),
        ({"verdict": "maybe"}, "verdict"),
        ({"mots": 3}, "mots"),
    ],
)
def test_bad_queries_are_refused(bank: Any, query: dict[str, Any], field: str) -> None:
    answer = bank.get("/v1/decisions", params=query)
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["detail"]] == [field]


@pytest.mark.parametrize("id", ["0" * 32, "x", "..", "%00", "0" * 32 + "%0a"])
def test_unknown_decisions_are_not_found(bank: Any, id: str) -> None:
    assert bank.get(f"/v1/decisions/{id}").status_code == 404


def test_an_override_is_kept_with_who_and_why(bank: Any) -> None:
    id = bank.score(bank.place.loan()).json()["id"]
    path = f"/v1/decisions/{id}/override"
    for bad in (
        {},
        {"verdict": "approve"},
        {"verdict": "maybe", "reason": "x"},
        {"verdict": "approve", "reason": " "},
        {"verdict": "approve", "reason": 3},
        {"verdict": "approve", "reason": "x", "actor": "somebody else"},
    ):
        assert bank.send(path, bad, role="admin").status_code == 422
    made = bank.send(path, {"verdict": "refer", "reason": "来电核实。"}, role="admin")
    assert made.status_code == 201
    (kept,) = bank.state.log.overrides(id)
    assert (kept.verdict, kept.reason) == ("refer", "来电核实。")
    assert kept.actor.startswith("Tests, admin (")
    assert bank.get(f"/v1/decisions/{id}").json()["overrides"] == [made.json()]
    missing = f"/v1/decisions/{'0' * 32}/override"
    assert bank.send(missing, {"verdict": "refer", "reason": "x"}, "admin").status_code == 404


# --- health, metrics, description ----------------------------------------------------------------


def test_readiness_follows_the_log_and_the_model(place: Any, serve: Any) -> None:
    with serve(place) as bank:
        assert bank.client.get("/healthz").json() == {"status": "alive"}
        assert bank.client.get("/readyz").json() == {"status": "ready"}
        with place.registry() as registry:
            from fed_credit.registry.registry import Stage

            registry.move(1, Stage.RETIRED, actor="tests", reason="to see")
        _until(lambda: bank.client.get("/readyz").status_code == 503)
        assert bank.client.get("/readyz").json()["reason"] == "no model is in service"
        assert bank.score(place.loan()).status_code == 503
        assert bank.client.get("/healthz").status_code == 200


def test_what_cannot_be_logged_is_not_answered(
    place: Any, serve: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(place) as bank:
        log = bank.state.log

        def full(*given: Any, **how: Any) -> int:
            raise StorageError("Decision log /secret/place has no space left; free space.")

        monkeypatch.setattr(log, "write", full)
        monkeypatch.setattr(log, "append", full)
        monkeypatch.setattr(log, "check_writable", full)
        with caplog.at_level(logging.ERROR):
            answer = bank.score(place.loan())
        assert answer.status_code == 503 and "pd" not in answer.text
        assert "/secret/place" not in answer.text and "/secret/place" in caplog.text
        assert bank.client.get("/readyz").status_code == 503
        monkeypatch.undo()
        assert bank.client.get("/readyz").status_code == 200
        assert bank.score(place.loan()).status_code == 200
        assert bank.state.metrics.events["log_failed"] == 1


def test_a_bug_is_answered_without_its_insides(
    place: Any, serve: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(place) as bank:
        monkeypatch.setattr(bank.state.log, "recent", None)
        monkeypatch.setattr(bank.state.live.record_scorer, "_plan", None)
        for answer in (bank.get("/v1/decisions"), bank.score(place.loan())):
            assert answer.status_code == 500
            assert answer.json()["detail"][0]["reason"].startswith("The service could not answer")
            assert not any(word in answer.text for word in ("None", "Type", "Traceback", "/"))
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert caplog.text.count("Traceback") >= 2


def test_metrics_are_those_of_what_happened(place: Any, serve: Any) -> None:
    with serve(place) as bank:
        verdicts = [bank.score(place.loan(firm_age=k)).json()["verdict"] for k in range(6)]
        bank.score(place.loan(firm_age=-1))
        bank.score({"nonsense": 1})
        answer = bank.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        found = {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }
    assert found["fed_credit_requests_total", "/v1/score", "200"] == 6
    assert found["fed_credit_requests_total", "/v1/score", "422"] == 2
    assert found["fed_credit_rejected_total", "firm_age"] == 1
    assert found["fed_credit_rejected_total", "other"] == 1
    assert found["fed_credit_log_seconds_count",] == 6
    assert found["fed_credit_score_count", "1"] == 6
    by_verdict: dict[str, float] = {}
    for key, value in found.items():
        if key[0] == "fed_credit_decisions_total":
            verdict = next(v for v in key if v in ("approve", "refer", "decline"))
            by_verdict[verdict] = by_verdict.get(verdict, 0) + value
    assert by_verdict == {verdict: verdicts.count(verdict) for verdict in set(verdicts)}
    shadow = [value for key, value in found.items() if key[0] == "fed_credit_shadow_total"]
    assert sum(shadow) == 6
    models = [key for key in found if key[0] == "fed_credit_model"]
    assert {key for one in models for key in one if key in ("champion", "challenger")} == {
        "champion",
        "challenger",
    }


def test_the_model_and_its_schema_are_told(bank: Any) -> None:
    model = bank.get("/v1/model").json()
    assert (model["version"], model["family"]) == (1, "scorecard")
    assert model["sha256"] == bank.place.models[1].sha256
    assert model["policy"] == bank.place.models[1].model.policy.as_dict()
    assert set(model["card"]) == {"en", "zh"}
    schema = bank.get("/v1/schema", "score").json()
    names = [one["name"] for one in schema["fields"]]
    assert names == list(schema["json_schema"]["properties"])[: len(names)]
    jsonschema.Draft202012Validator.check_schema(schema["json_schema"])
    jsonschema.validate(schema["example"], schema["json_schema"])
    assert bank.score(schema["example"]).status_code == 200


def test_the_description_is_made_of_the_model(bank: Any) -> None:
    document = bank.get("/openapi.json", "score").json()
    assert document["openapi"] == "3.1.0"
    live = bank.get("/v1/schema", "score").json()["json_schema"]
    assert document["components"]["schemas"]["Loan"] == live
    assert "Age of the firm / 企业经营时长" in live["properties"]["firm_age"]["description"]
    sent = document["paths"]["/v1/score"]["post"]["requestBody"]["content"]["application/json"]
    assert bank.send("/v1/score", sent["example"]).status_code == 200
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path not in ("/healthz", "/readyz"):
                assert {"401", "403", "429"} <= set(operation["responses"]), (method, path)


def test_no_page_of_the_framework_is_there(bank: Any) -> None:
    for path in ("/docs", "/redoc", "/openapi"):
        assert bank.get(path).status_code == 404


def test_every_answer_has_security_headers(bank: Any) -> None:
    answers = [
        bank.client.get("/healthz"),
        bank.client.get("/v1/model"),
        bank.get("/v1/model"),
        bank.get("/v1/nothing"),
        bank.score(bank.place.loan()),
        bank.score({}),
        bank.client.request("BREW", "/v1/score", headers=bank.headers()),
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 200, 404, 200, 422, 405]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "server" not in answer.headers


def test_the_access_log_says_nothing_of_the_application(
    place: Any, serve: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve(place, access_log=True) as bank:
        bank.send("/v1/score", {"application_id": "SECRET-1", "loan": place.loan()})
        bank.get("/v1/decisions/" + "abc" * 8 + "?q=SECRET-2")
        time.sleep(0.3)
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line[:1] == "{"]
    assert [(line["route"], line["status"]) for line in lines] == [
        ("/v1/score", 200),
        ("/v1/decisions/{id}", 404),
    ]
    assert all(set(line) == {"time", "method", "route", "status", "ms", "key"} for line in lines)


def _until(true: Any, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_champion_that_cannot_be_read_leaves_the_old_one(
    place: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fed_credit.errors import ArtefactError
    from fed_credit.registry.registry import Stage

    with serve(place) as bank:
        sound = bank.state.registry.model

        def damaged(number: int) -> Any:
            raise ArtefactError("Model 2 was changed or damaged; restore it.")

        bank.state.live, bank.state.shadow = bank.state.live, None
        monkeypatch.setattr(bank.state.registry, "model", damaged)
        with place.registry() as registry:
            registry.move(2, Stage.CHAMPION, actor="tests", reason="to see")
        _until(lambda: bank.state.metrics.events["swap_failed"] > 0)
        assert bank.score(place.loan()).json()["model"]["version"] == 1
        monkeypatch.setattr(bank.state.registry, "model", sound)
        _until(lambda: bank.score(place.loan()).json()["model"]["version"] == 2)


def test_files_of_a_running_service_are_its_owners_alone(place: Any, serve: Any) -> None:
    with serve(place) as bank:
        bank.client.post("/login", json={"key": place.secrets["read"]})
        _until(lambda: list((place.home / "run" / "counts").glob("*.json")))
        for path in (place.home / "run").rglob("*"):
            assert path.is_file() or path.stat().st_mode & 0o077 == 0
        assert (place.home / "decisions.db").stat().st_mode & 0o077 == 0
