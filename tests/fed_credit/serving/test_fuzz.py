"""Ten thousand bodies that nobody meant, and requests made up from the service's description."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from fed_credit.serving.app import bank_app
from fed_credit.serving.limits import Buckets
from fed_credit.serving.state import BankState

SEED = 20_240_601
FEW, MANY = 500, 10_000
# What an answer must not hold: paths, modules and classes, tracebacks, SQL.
_INSIDE = re.compile(
    r"Traceback|File \"|\.py\b|site-packages|/home/|/tmp/|/work|fed_credit\.|object at 0x"
    r"|SELECT |INSERT |sqlite|psycopg|Error\b|Exception|NoneType|<class|__"
)


def _bodies(loan: dict[str, Any], count: int) -> Iterator[tuple[bytes, dict[str, str]]]:
    """Make bodies with their headers: most are nearly right, which goes furthest."""
    rng = random.Random(SEED)
    for _ in range(count):
        body, headers = rng.choice(_KINDS)(rng, dict(loan))
        yield body, {"content-type": "application/json", **headers}


def _value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(13 if depth < 4 else 10)
    if kind < 10:
        return rng.choice(
            [
                None,
                True,
                rng.randrange(-5, 5),
                10 ** rng.randrange(400),
                -(10 ** rng.randrange(40)),
                rng.uniform(-1e308, 1e308),
                rng.choice([0.0, -0.0, 5e-324, 1e-7, 1.7e308]),
                _text(rng),
                "x" * rng.choice([1, 300, 30_000]),
                rng.choice(["", " ", "nan", "inf", "1e5", "0x10", "1_000", "N", "null", "١٢"]),
            ]
        )
    if kind < 12:
        return [_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {_text(rng): _value(rng, depth + 1) for _ in range(rng.randrange(4))}


def _text(rng: random.Random) -> str:
    letters = "aZ0 '\"\\\n\t\0\x7f;-<>%${}é中😀\u202e\ud800\udfff\ufeff"
    return "".join(rng.choice(letters) for _ in range(rng.randrange(12)))


def _changed(rng: random.Random, loan: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    for name in rng.sample(list(loan), rng.randrange(1, 5)):
        loan[name] = _value(rng)
    if rng.random() < 0.3:
        loan[_text(rng)] = _value(rng)
    for name in rng.sample(list(loan), rng.randrange(3)):
        loan.pop(name)
    body: dict[str, Any] = {"loan": loan}
    if rng.random() < 0.5:
        body["application_id"] = rng.choice([None, "A-1", _text(rng), _value(rng)])
    if rng.random() < 0.1:
        body[_text(rng)] = _value(rng)
    return json.dumps(body).encode(), {}


def _other(rng: random.Random, loan: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    return json.dumps(_value(rng)).encode(), {}


def _cut(rng: random.Random, loan: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    whole = json.dumps({"loan": loan}).encode()
    return whole[: rng.randrange(len(whole))], {}


def _bits(rng: random.Random, loan: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    whole = bytearray(json.dumps({"loan": loan}).encode())
    for _ in range(rng.randrange(1, 6)):
        whole[rng.randrange(len(whole))] = rng.randrange(256)
    return bytes(whole), {}


def _noise(rng: random.Random, loan: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    return rng.randbytes(rng.randrange(200)), {}


def _deep(rng: random.Random, loan: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    depth = rng.choice([50, 500, 5_000])
    inner = rng.choice([b"1", b"", json.dumps(loan).encode()])
    opening, closing = rng.choice([(b"[", b"]"), (b'{"loan":', b"}")])
    return opening * depth + inner + closing * rng.choice([depth, 0]), {}


def _twice(rng: random.Random, loan: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    name = rng.choice(list(loan))
    pair = f'"{name}": {json.dumps(_value(rng))}'
    whole = json.dumps({"loan": loan})
    return whole.replace('{"loan": {', '{"loan": {' + pair + ", ").encode(), {}


def _number(rng: random.Random, loan: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    name = rng.choice(list(loan))
    loan[name] = "@"
    odd = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5_000, "1E+2", "01", "+1", ".5"]
    odd += ["0x1", "1.", "-", "1e", "tru", "\\u0000", '"\\ud800"', '"\\udc00\\ud800"', "'a'"]
    return json.dumps({"loan": loan}).replace('"@"', rng.choice(odd)).encode(), {}


def _headers(rng: random.Random, loan: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    kinds = ["text/plain", "application/xml", "multipart/form-data; boundary=x", "", ";;", "*/*"]
    kinds += ["application/json; charset=utf-16", "application/json;charset=", "a" * 300]
    sent = {"content-type": rng.choice(kinds)}
    if rng.random() < 0.5:
        sent = {"content-encoding": rng.choice(["gzip", "br", "identity", "x", ""])}
    if rng.random() < 0.3:
        sent["idempotency-key"] = rng.choice(["", " ", "a", "x" * 300, "\t", '"', "a" * 200])
    return json.dumps({"loan": loan}).encode(rng.choice(["utf-8", "utf-16", "utf-7"])), sent


def _long(rng: random.Random, loan: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    loan["sector"] = "x" * rng.choice([60_000, 70_000, 200_000])
    return json.dumps({"loan": loan}).encode(), {}


def _many(rng: random.Random, loan: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    return json.dumps({"loan": {_text(rng) + str(k): k for k in range(900)}}).encode(), {}


_KINDS = [_changed] * 8 + [_other, _cut, _bits, _bits, _noise, _deep, _twice, _number, _number]
_KINDS += [_headers, _headers, _long, _many]


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_no_body_breaks_the_service(bank: Any, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank.state, "buckets", Buckets(1e6, 1e6))  # a quick machine asks too often
    told: dict[int, int] = {}
    paths = ["/v1/score"] * 6 + ["/v1/what-if", "/v1/score/batch"]
    for place, (body, headers) in enumerate(_bodies(bank.place.loan(), count)):
        answer = bank.client.post(
            paths[place % len(paths)], content=body, headers={**bank.headers(), **headers}
        )
        told[answer.status_code] = told.get(answer.status_code, 0) + 1
        assert answer.status_code in (200, 409, 413, 415, 422), (body[:300], answer.text)
        assert not _INSIDE.search(_without_names(answer.text)), (body[:300], answer.text)
        if answer.status_code != 200:
            assert all(one.keys() == {"field", "reason"} for one in answer.json()["detail"])
    assert min(told.get(status, 0) for status in (200, 413, 415, 422)) > 0, told
    assert bank.client.get("/readyz").status_code == 200


def _without_names(text: str) -> str:
    """Leave out the names of fields, which are the caller's own."""
    try:
        return " ".join(one["reason"] for one in json.loads(text)["detail"])
    except (LookupError, TypeError):
        return text


@pytest.mark.parametrize("cases", [8, pytest.param(100, marks=pytest.mark.slow)])
def test_the_app_keeps_to_its_description(place: Any, cases: int) -> None:
    """Schemathesis makes requests from the description, valid and not, and checks each answer."""
    limits = {"requests_per_second": 1e6, "burst": 1_000_000}
    state = BankState.open(place.home, place.settings(limits=limits), place.home / "run")
    headers = {"authorization": f"Bearer {place.secrets['admin']}"}
    schema = schemathesis.openapi.from_asgi("/openapi.json", bank_app(state), headers=headers)
    _explore(schema, headers, cases)
    state.close()


@pytest.mark.slow
@pytest.mark.parametrize("cases", [100])
def test_the_process_keeps_to_its_description(place: Any, run: Any, cases: int) -> None:
    limits = {"requests_per_second": 1e6, "burst": 1_000_000}
    with run(place, limits=limits) as service:
        headers = service.headers("admin")
        url = f"{service.url}/openapi.json"
        _explore(schemathesis.openapi.from_url(url, headers=headers), headers, cases)
    assert "Traceback" not in service.log.read_text()


def _explore(schema: Any, headers: dict[str, str], cases: int) -> None:
    seen = []
    for result in schema.get_all_operations():
        operation = result.ok()

        @given(
            case=st.one_of(
                operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
                operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
            )
        )
        @settings(
            max_examples=cases,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def explore(case: Any) -> None:
            answer = case.call(headers=headers)
            case.validate_response(answer, headers=headers)
            text = answer.text if answer.status_code == 200 else _without_names(answer.text)
            assert answer.status_code < 500
            assert case.path == "/v1/model" or not _INSIDE.search(text), text

        explore()
        seen.append(operation.label)
    assert len(seen) == 11, seen
