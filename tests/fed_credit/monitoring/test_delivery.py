"""Alerts go to the file once, to a real web server until it takes them, and signed."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fed_credit.config.monitor import MonitorSpec, WebhookSpec, monitor_spec
from fed_credit.drift.verdicts import State
from fed_credit.errors import ConfigurationError, DataError
from fed_credit.monitoring.delivery import deliver, keep_report
from fed_credit.monitoring.report import Alert, MonitorReport, Watched
from fed_credit.monitoring.webhook import SIGNATURE


class Server(ThreadingHTTPServer):
    """Takes posts, and answers what it is told to, one after the other."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[int | float] = []
        self.got: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/alerts"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))
        answer = self.server.answers.pop(0) if self.server.answers else 204
        if isinstance(answer, float):
            time.sleep(answer)
            answer = 204
        try:
            self.send_response(answer)
            if answer == 302:
                self.send_header("Location", self.server.url + "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
        except OSError:
            pass  # the caller did not wait

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.shutdown()
        running.server_close()
        thread.join()


@pytest.fixture
def settings() -> MonitorSpec:
    return monitor_spec({})


def _alert(name: str, level: State = State.ALERT) -> Alert:
    return Alert(
        name, level, "psi", "score", "2024-01", 0.3, 0.25, f"{name} drifts", f"{name} 漂移"
    )


def _report(settings: MonitorSpec, *alerts: Alert) -> MonitorReport:
    return MonitorReport(
        "2024-01-31",
        "Bank A",
        ("Bank A",),
        False,
        Watched(3, "f" * 64),
        {"kind": "own", "loans": 1, "scored": 1},
        "loans",
        settings,
        (),
        (),
        alerts,
    )


def _webhook(settings: MonitorSpec, url: str | None, **changes: Any) -> WebhookSpec:
    return replace(settings.webhook, url=url, wait_s=0.01, **changes)


def _lines(home: Path, name: str) -> list[dict[str, Any]]:
    text = (home / "monitoring" / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_each_alert_is_written_once(
    tmp_path: Path, settings: MonitorSpec, caplog: pytest.LogCaptureFixture
) -> None:
    first = deliver(tmp_path, _report(settings, _alert("a")), settings.webhook)
    again = deliver(tmp_path, _report(settings, _alert("a")), settings.webhook)
    more = deliver(
        tmp_path, _report(settings, _alert("b", State.WATCH), _alert("a")), settings.webhook
    )
    assert (first.raised, again.raised, more.raised) == (1, 0, 1)
    lines = _lines(tmp_path, "alerts.jsonl")
    assert [line["id"] for line in lines] == ["a", "b"]
    assert lines[0]["zh"] == "a 漂移" and lines[0]["model"] == {"version": 3, "sha256": "f" * 64}
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert [record.getMessage() for record in caplog.records] == ["a drifts", "b drifts"]


def test_a_line_that_was_cut_off_is_written_anew(tmp_path: Path, settings: MonitorSpec) -> None:
    deliver(tmp_path, _report(settings, _alert("a")), settings.webhook)
    path = tmp_path / "monitoring" / "alerts.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])  # killed while it wrote
    deliver(tmp_path, _report(settings, _alert("a"), _alert("b")), settings.webhook)
    assert [line["id"] for line in _lines(tmp_path, "alerts.jsonl")] == ["a", "b"]
    path.write_text('{"no": "id"}\n')
    with pytest.raises(DataError, match="is not what the monitor wrote"):
        deliver(tmp_path, _report(settings, _alert("a")), settings.webhook)


def test_a_label_may_hold_what_ends_a_line_for_unicode(
    tmp_path: Path, settings: MonitorSpec, server: Server
) -> None:
    webhook = _webhook(settings, server.url)
    odd = _report(settings, _alert("\u2028 and \x85"))
    assert deliver(tmp_path, odd, webhook).sent == 1
    again = deliver(tmp_path, odd, webhook)
    assert (again.raised, again.sent) == (0, 0)


def test_a_webhook_gets_new_alerts_signed(
    tmp_path: Path, settings: MonitorSpec, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.webhook.secret_variable, "a shared secret")
    webhook = _webhook(settings, server.url)
    done = deliver(tmp_path, _report(settings, _alert("a"), _alert("b")), webhook)
    assert (done.raised, done.sent, done.waiting) == (2, 2, 0)
    ((headers, body),) = server.got
    parts = dict(item.split("=", 1) for item in headers[SIGNATURE].split(","))
    expected = hmac.new(b"a shared secret", f"{parts['t']}.".encode() + body, hashlib.sha256)
    assert parts["v1"] == expected.hexdigest()
    assert abs(int(parts["t"]) - time.time()) < 60
    told = json.loads(body)
    assert [alert["id"] for alert in told["alerts"]] == ["a", "b"]
    assert told["bank"] == "Bank A" and headers["Content-Type"] == "application/json"
    assert deliver(tmp_path, _report(settings, _alert("a")), webhook).sent == 0
    assert len(server.got) == 1


def test_without_a_secret_nothing_is_signed(
    tmp_path: Path, settings: MonitorSpec, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(settings.webhook.secret_variable, raising=False)
    deliver(tmp_path, _report(settings, _alert("a")), _webhook(settings, server.url))
    assert SIGNATURE not in server.got[0][0]


def test_a_webhook_that_fails_is_asked_again_and_in_the_next_run(
    tmp_path: Path, settings: MonitorSpec, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    webhook = _webhook(settings, server.url)
    server.answers = [503, 429, 204]
    assert deliver(tmp_path, _report(settings, _alert("a")), webhook).sent == 1
    assert len(server.got) == 3
    server.answers = [500, 500, 500]
    failed = deliver(tmp_path, _report(settings, _alert("a"), _alert("b")), webhook)
    assert (failed.raised, failed.sent, failed.waiting) == (1, 0, 1)
    assert "1 alerts wait for the webhook: it answers 500" in caplog.text
    # The next report no longer tells of it; it is sent all the same.
    later = deliver(tmp_path, _report(settings), webhook)
    assert (later.raised, later.sent) == (0, 1)
    assert [alert["id"] for alert in json.loads(server.got[-1][1])["alerts"]] == ["b"]


def test_what_will_not_get_better_is_not_tried_again(
    tmp_path: Path, settings: MonitorSpec, server: Server
) -> None:
    for answer in (400, 302):
        server.got.clear()
        server.answers = [answer]
        done = deliver(tmp_path, _report(settings, _alert("a")), _webhook(settings, server.url))
        assert done.waiting == 1 and len(server.got) == 1


def test_a_webhook_that_does_not_answer_in_time_or_at_all_is_a_warning(
    tmp_path: Path, settings: MonitorSpec, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers = [1.0]
    slow = _webhook(settings, server.url, timeout_s=0.1, attempts=1)
    assert deliver(tmp_path, _report(settings, _alert("a")), slow).waiting == 1
    server.server_close()
    gone = _webhook(settings, "http://127.0.0.1:9/hook?token=hidden", attempts=2)
    assert deliver(tmp_path, _report(settings, _alert("a")), gone).waiting == 1
    assert "ReadTimeout" in caplog.text and "ConnectError" in caplog.text
    assert "hidden" not in caplog.text


def test_a_report_lies_by_its_day_and_as_the_latest(tmp_path: Path, settings: MonitorSpec) -> None:
    latest = keep_report(tmp_path, _report(settings, _alert("a")))
    dated = tmp_path / "monitoring" / "reports" / "2024-01-31.json"
    assert latest.read_text() == dated.read_text()
    assert json.loads(latest.read_text())["alerts"][0]["id"] == "a"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://here/x", "begins with https://HOST"),
        ("https://", "begins with https://HOST"),
        ("https://example.org:99999/x", "begins with https://HOST"),
        ("https://example.org:port/x", "begins with https://HOST"),
        ("http://example.org/x", "in the clear"),
        ("https://me:word@example.org/x", "user or password"),
    ],
)
def test_addresses_that_cannot_be_used_are_refused(url: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        monitor_spec({"webhook": {"url": url}})


@pytest.mark.parametrize(
    "own",
    [
        {"months": -1},
        {"drift": {"psi": {"watch": 0.3}}},
        {"drift": {"together": 0}},
        {"outcomes": {"default_rate": {"watch": 0.9}}},
        {"outcomes": {"asset_correlation": 1.0}},
        {"outcomes": {"confidence": 1.0}},
        {"alarms": {"false_per_year": 0.0}},
        {"alarms": {"control": "bonferroni"}},
        {"webhook": {"attempts": 0}},
        {"webhook": {"secret_variable": "no-name"}},
        {"max_rejected_share": 2},
        {"monthes": 3},
    ],
)
def test_settings_that_make_no_sense_are_refused(own: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        monitor_spec(own)
