from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fed_credit.config.operator import BankStatus, EndpointSpec, load_operator
from fed_credit.errors import ConfigurationError

OPERATOR = """
name: Delta
superlink: {host: 127.0.0.1, port: 8000}
proxy: {host: "2001:db8::7", port: 9443}
ca: ca.crt
client_cert: operator.crt
client_key: keys/operator.key
runs: /srv/runs
"""
BANKS = [
    {"name": "B", "slug": "b", "public_key": "ecdsa-sha2-nistp384 AAAA", "status": "active"},
    {"name": "A", "slug": "a", "public_key": "ecdsa-sha2-nistp384 BBBB", "status": "retired"},
    {"name": "A", "slug": "a", "public_key": "ecdsa-sha2-nistp384 CCCC", "status": "active"},
    {"name": "C", "slug": "c", "public_key": "ecdsa-sha2-nistp384 DDDD", "status": "removed"},
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "operator"
    home.mkdir()
    (home / "operator.yaml").write_text(OPERATOR)
    (home / "banks.json").write_text(json.dumps(BANKS))
    return home


def test_paths_are_taken_from_where_the_file_lies(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.parent)
    for path in (Path("operator"), Path("operator/operator.yaml")):
        spec = load_operator(path)
        assert spec.home == home
        assert spec.ca == home / "ca.crt"
        assert spec.client_key == home / "keys" / "operator.key"
        assert spec.runs == Path("/srv/runs")
    assert spec.superlink == EndpointSpec("127.0.0.1", 8000)
    assert spec.proxy.address == "[2001:db8::7]:9443"


def test_banks_that_take_part_are_told_from_keys_that_must_not_connect(home: Path) -> None:
    spec = load_operator(home)
    assert [bank.name for bank in spec.active] == ["A", "B"]
    assert [bank.public_key[-4:] for bank in spec.active] == ["CCCC", "AAAA"]
    assert [bank.status for bank in spec.banks] == [
        BankStatus.ACTIVE,
        BankStatus.RETIRED,
        BankStatus.ACTIVE,
        BankStatus.REMOVED,
    ]


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("port: 8000", "port: high", "superlink.port=high cannot be used"),
        ("runs: /srv/runs", "run: x", "no key 'run'. Did you mean 'runs'?"),
        ("ca: ca.crt", "", "ca has no value"),
        ("name: Delta", "name: [", "is not valid YAML"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_file(
    home: Path, before: str, after: str, why: str
) -> None:
    (home / "operator.yaml").write_text(OPERATOR.replace(before, after))
    with pytest.raises(ConfigurationError) as caught:
        load_operator(home)
    assert str(caught.value).startswith(f"{home / 'operator.yaml'}")
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("{", "is not valid JSON; take it back from a copy"),
        ('{"A": 1}', "it must be a list of sections"),
        ('[{"name": "A"}]', "banks[0].slug has no value"),
        (json.dumps([{**BANKS[0], "status": "gone"}]), "choose one of active, retired, removed"),
    ],
)
def test_a_damaged_list_of_banks_is_named(home: Path, body: str, why: str) -> None:
    (home / "banks.json").write_text(body)
    with pytest.raises(ConfigurationError) as caught:
        load_operator(home)
    assert str(caught.value).startswith(f"{home / 'banks.json'}")
    assert why in str(caught.value)


def test_a_missing_file_says_who_makes_it(home: Path) -> None:
    (home / "banks.json").unlink()
    with pytest.raises(ConfigurationError, match=r"banks\.json cannot be read .*provision"):
        load_operator(home)
    shutil.rmtree(home)
    with pytest.raises(ConfigurationError, match=r"does not exist; .*provision"):
        load_operator(home)
