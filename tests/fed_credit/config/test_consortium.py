from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from fed_credit.config.consortium import load_consortium, slug
from fed_credit.config.location import deploy_dir
from fed_credit.errors import ConfigurationError

GOOD: dict[str, Any] = {
    "name": "Delta",
    "operator": {"hosts": ["credit.example.org", "192.0.2.7"]},
    "banks": [{"name": "Riverside Bank", "public_key": "riverside.pub"}, {"name": "江南银行"}],
}


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "consortium.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}, allow_unicode=True), encoding="utf-8")
    return path


def complaint(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_consortium(path)
    return str(caught.value)


def test_a_short_file_is_completed_from_the_packaged_one(tmp_path: Path) -> None:
    spec = load_consortium(write(tmp_path, every_bank={"runtime_port": 9200}))
    packaged = yaml.safe_load((deploy_dir() / "consortium.yaml").read_text(encoding="utf-8"))
    assert spec.operator.port == packaged["operator"]["port"]
    assert spec.validity_days.server == packaged["validity_days"]["server"]
    assert [bank.runtime_port for bank in spec.banks] == [9200, 9200]


def test_paths_are_taken_from_where_the_file_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "common.yaml").write_text("name: common")
    file = write(tmp_path / "home", schema="common.yaml")
    monkeypatch.chdir(tmp_path)
    spec = load_consortium(Path(os.path.relpath(file)))
    assert spec.schema == str(tmp_path / "home" / "common.yaml")
    assert spec.banks[0].public_key == str(tmp_path / "home" / "riverside.pub")
    assert spec.banks[1].public_key is None
    assert load_consortium(write(tmp_path, schema="synthetic")).schema == "synthetic"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Riverside Bank", "riverside-bank"),
        ("  Crédit / Agricole & Co.", "credit-agricole-co"),
        ("江南银行", "bank-d99408b8"),
        ("江北银行", "bank-32285668"),
        ("Bank 银行", "bank-89c3fbed"),
        ("Straße", "stra-e-58a3778c"),
        ("../../etc", "etc"),
        ("!!", "bank-233d26e9"),
    ],
)
def test_a_banks_folder_follows_from_its_name_alone(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_a_long_name_has_a_short_folder_of_its_own() -> None:
    first, second = slug("Savings Bank " * 9 + "North"), slug("Savings Bank " * 9 + "South")
    assert first != second
    assert max(len(first), len(second)) <= 40


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": ""}, "name is empty"),
        ({"name": "a\nb"}, "signs that cannot be printed"),
        ({"name": "江" * 22}, "longer than 64 bytes"),
        ({"operater": {}}, "no key 'operater'. Did you mean 'operator'?"),
        ({"operator": {"hosts": []}}, "operator.hosts is empty"),
        ({"operator": {"hosts": "credit.example.org"}}, "list of names"),
        ({"operator": {"hosts": ["https://x.org"]}}, "operator.hosts=https://x.org"),
        ({"operator": {"hosts": ["x.org:9443"]}}, "without scheme, port or *"),
        ({"operator": {"hosts": ["*.x.org"]}}, "without scheme, port or *"),
        ({"operator": {"hosts": ["192.0.2.300"]}}, "operator.hosts=192.0.2.300"),
        ({"operator": {"hosts": ["银行.cn"]}}, "ASCII (xn--... for others)"),
        ({"operator": {"hosts": ["x.org", "x.org"]}}, "names 'x.org' twice"),
        ({"operator": {"hosts": ["x.org"], "port": 70000}}, "a port is from 1 to 65535"),
        ({"operator": {"hosts": ["x.org"], "port": 8000}}, "superlink_port needs another port"),
        ({"operator": {"hosts": ["x.org"], "listen": "x.org"}}, "it must be an IP address"),
        (
            {"operator": {"hosts": ["x.org"], "prot": 1}},
            "no key 'operator.prot'. Did you mean 'port'?",
        ),
        ({"banks": []}, "banks is empty"),
        ({"banks": None}, "banks=null"),
        ({"banks": {"name": "A"}}, "list of sections"),
        ({"banks": ["A"]}, "banks[0]=A"),
        ({"banks": [{"public_key": "a.pub"}]}, "banks[0].name has no value"),
        ({"banks": [{"name": "A", "port": 1}]}, "no key 'banks[0].port'"),
        ({"banks": [{"name": "A", "runtime_port": 0}]}, "banks[0].runtime_port=0"),
        ({"banks": [{"name": "A"}, {"name": "A"}]}, "names 'A' twice"),
        (
            {"banks": [{"name": "A B"}, {"name": "C"}, {"name": "A-b"}, {"name": "a b"}]},
            "'A B' and 'A-b' would share the folder 'a-b'",
        ),
        ({"validity_days": {"server": 0}}, "validity_days.server=0"),
        ({"validity_days": {"server": 30}}, "more than validity_days.renew_before"),
        ({"validity_days": {"ca": 10**6}}, "from 1 to 36500"),
        ({"schema": "synthtic"}, "Did you mean 'synthetic'?"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_file(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    path = write(tmp_path, **changes)
    message = complaint(path)
    assert message.startswith(f"{path}: ")
    assert why in message
    assert "\n" not in message


def test_a_missing_file_and_no_yaml_say_what_to_do(tmp_path: Path) -> None:
    assert "write one with a name" in complaint(tmp_path)
    (tmp_path / "consortium.yaml").write_text("name: [")
    assert "is not valid YAML" in complaint(tmp_path)
