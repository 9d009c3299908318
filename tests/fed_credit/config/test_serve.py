"""What ``serve.yaml`` may say, and where a service may listen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fed_credit.config.convert import plain
from fed_credit.config.location import operation_dir
from fed_credit.config.serve import check_listening, load_serve
from fed_credit.errors import ConfigurationError

PAGE = Path(__file__).resolve().parents[3] / "docs" / "serving.md"


def _leaves(values: dict[str, Any], within: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            made |= _leaves(value, f"{within}{name}.")
        else:
            made[within + name] = value
    return made


def test_the_packaged_file_is_what_a_home_without_one_gets(tmp_path: Path) -> None:
    packaged = yaml.safe_load((operation_dir() / "serve.yaml").read_text(encoding="utf-8"))
    found = plain(load_serve(tmp_path))
    for key in ("registry", "decision_log", "keys"):
        assert found[key] == str(tmp_path / packaged[key])
        del found[key], packaged[key]
    assert _leaves(found) == _leaves(packaged)


def test_the_docs_say_every_key_and_its_default() -> None:
    packaged = _leaves(yaml.safe_load((operation_dir() / "serve.yaml").read_text(encoding="utf-8")))
    settings = PAGE.read_text(encoding="utf-8").partition("## Settings")[2]
    told: dict[str, str] = {}
    for line in re.findall(r"^\| (`[a-z].*?) \| (`.*?`) \|", settings, flags=re.M):
        keys = re.findall(r"`([\w.]+)`", line[0])
        values = re.findall(r"`(.*?)`", line[1])
        values = values * len(keys) if len(values) == 1 else values
        told |= dict(zip(keys, values, strict=True))
    assert {key: yaml.safe_load(value) for key, value in told.items()} == packaged


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("durabel: true", "no key 'durabel'. Did you mean 'durable'?"),
        ("poll_s: 0", "poll_s=0.0 cannot be used"),
        ("languages: [de]", "choose of en, zh"),
        ("languages: []", "name at least one"),
        ("limits: {burst: 0}", "limits.burst=0"),
        ("limits: {max_body_bytes: 0}", "limits.max_body_bytes=0"),
        ("limits: {requests_per_second: .inf}", "limits.requests_per_second=inf"),
        ("sessions: {attempts: 0}", "sessions.attempts=0"),
        ("tls: {certificate: cert.pem}", "tls.certificate is given without tls.key"),
        ("tls: {certificate: c, key: k}", "there is no such file"),
        ("tls: {trusted_proxies: [proxy.example]}", "name IP addresses"),
        ("registry: postgresql+psycopg://u:secret@db/x", "registry holds a password"),
        ("registry: null", "it must be text"),
    ],
)
def test_what_it_may_not_say(tmp_path: Path, body: str, words: str) -> None:
    (tmp_path / "serve.yaml").write_text(body, encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        load_serve(tmp_path)
    assert words in str(error.value) and "secret" not in str(error.value)
    assert str(error.value).startswith(f"{tmp_path / 'serve.yaml'}: ")


def test_keys_do_not_cross_a_network_in_the_clear(tmp_path: Path) -> None:
    open_, proxied = load_serve(tmp_path), load_serve(tmp_path)
    proxied.tls.behind_proxy = True
    for host in ("127.0.0.1", "127.8.0.1", "::1", "localhost"):
        check_listening(host, 8080, open_)
    for host in ("0.0.0.0", "::", "10.0.0.5", "bank.example", "localhost.example"):
        with pytest.raises(ConfigurationError, match="in the clear"):
            check_listening(host, 8080, open_)
        check_listening(host, 8080, proxied)
    for port in (0, 65536):
        with pytest.raises(ConfigurationError, match="no port"):
            check_listening("::1", port, open_)


def test_there_must_be_a_home(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no folder"):
        load_serve(tmp_path / "nowhere")
