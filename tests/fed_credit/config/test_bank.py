"""A bank's own file: defaults, paths, and a sentence for everything that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fed_credit.config.bank import BankSpec, load_bank
from fed_credit.config.convert import known_keys, plain
from fed_credit.config.location import deploy_dir
from fed_credit.data.table import open_table
from fed_credit.errors import ConfigurationError

ENOUGH = "name: Riverside Bank\nschema: synthetic\nsource: {path: loans.csv}\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "bank.yaml").write_text(ENOUGH)
    return tmp_path


def load(home: Path, text: str) -> BankSpec:
    (home / "bank.yaml").write_text(ENOUGH + text)
    return load_bank(home)


def refusal(home: Path, text: str, *, alone: bool = False) -> str:
    (home / "bank.yaml").write_text(text if alone else ENOUGH + text)
    with pytest.raises(ConfigurationError) as caught:
        load_bank(home / "bank.yaml")
    sentence = str(caught.value)
    assert sentence.startswith(str(home / "bank.yaml"))
    return sentence.removeprefix(str(home / "bank.yaml")).lstrip(": ")


def test_what_a_bank_does_not_say_is_as_packaged(home: Path) -> None:
    packaged = yaml.safe_load((deploy_dir() / "bank.yaml").read_text(encoding="utf-8"))
    spec = plain(load_bank(home))
    said = {"name": "Riverside Bank", "schema": "synthetic"}
    source = {**packaged["source"], "path": str(home / "loans.csv")}
    assert spec == {**packaged, **said, "source": source}


def test_the_packaged_file_holds_every_key_and_no_other() -> None:
    def walk(node: dict[str, Any], within: str) -> set[str]:
        found = set()
        for key, value in node.items():
            found |= {within + key}
            found |= walk(value, f"{within}{key}.") if isinstance(value, dict) else set()
        return found

    packaged = yaml.safe_load((deploy_dir() / "bank.yaml").read_text(encoding="utf-8"))
    assert walk(packaged, "") == set(known_keys(BankSpec))


def test_the_bank_has_the_last_word(home: Path) -> None:
    spec = load(
        home,
        "policy: {max_rounds: 3, tasks: [counts]}\n"
        "node: {superlink: 'operator.example:9443', poll_s: null}\n"
        "mapping: {columns: {Umsatz: turnover}, units: {turnover: 10000}}\n",
    )
    assert (spec.policy.max_rounds, spec.policy.tasks) == (3, ["counts"])
    assert spec.policy.min_loans == 50
    assert (spec.node.superlink, spec.node.poll_s) == ("operator.example:9443", None)
    assert (spec.mapping.columns, spec.mapping.units) == (
        {"Umsatz": "turnover"},
        {"turnover": 10000.0},
    )


def test_sections_of_nothing_but_comments_say_nothing(home: Path) -> None:
    spec = load(home, "policy:\n  # max_rounds: 3\nnode:\n  superlink:\n")
    assert spec.policy == load(home, "").policy
    assert spec.node.superlink is None


def test_paths_are_relative_to_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "own.yaml").write_text("fields: {}\n")
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (home / "bank.yaml").write_text("name: A\nschema: own.yaml\nsource: {path: data/a.csv}\n")
    spec = load_bank(Path("..") / "bank.yaml")
    assert Path(spec.schema).samefile(home / "own.yaml") and Path(spec.schema).is_absolute()
    assert Path(str(spec.source.path)).resolve() == (home / "data" / "a.csv").resolve()


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("sqlite:///loans.db", "sqlite:///{home}/loans.db"),
        ("sqlite+pysqlite:///in/loans.db?x=1", "sqlite+pysqlite:///{home}/in/loans.db?x=1"),
        ("sqlite:////srv/loans.db", "sqlite:////srv/loans.db"),
        ("postgresql://db.example:5432/loans", "postgresql://db.example:5432/loans"),
    ],
)
def test_addresses_of_databases(home: Path, url: str, wanted: str) -> None:
    text = f"name: A\nschema: synthetic\nsource: {{url: '{url}', query: SELECT 1}}\n"
    (home / "bank.yaml").write_text(text)
    assert load_bank(home).source.url == wanted.format(home=home)


def test_a_sqlite_file_beside_it_opens_from_anywhere(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import sqlite3

    with sqlite3.connect(home / "loans.db") as database:
        database.execute("CREATE TABLE loans (loan_id, turnover)")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    (home / "bank.yaml").write_text(
        "name: A\nschema: synthetic\n"
        "source: {url: 'sqlite:///loans.db', query: SELECT * FROM loans}\n"
    )
    assert open_table(load_bank(home).source, "source").names == ("loan_id", "turnover")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("polcy: {}\n", "no key 'polcy'. Did you mean 'policy'?"),
        ("policy: {max_round: 3}\n", "Did you mean 'max_rounds'?"),
        ("policy: {poll_s: 3}\n", "Did you mean 'node.poll_s'?"),
        ("source: {path: a.csv, csv: {delimitr: ';'}}\n", "twice"),
        ("policy: 3\n", "policy=3 cannot be used: it is a section; set one of its keys, such as"),
        ("policy: {max_rounds: many}\n", "policy.max_rounds=many cannot be used: it must be a w"),
        ("policy: {max_rounds: 0}\n", "policy.max_rounds=0 cannot be used: it must be at least 1"),
        ("policy: {max_rounds: 3.5}\n", "whole number"),
        ("policy: {max_rounds: null}\n", "whole number"),
        ("policy: {min_loans: -1}\n", "policy.min_loans=-1"),
        ("policy: {max_seconds: .inf}\n", "policy.max_seconds=inf"),
        ("policy: {stock_actions: 1}\n", "true or false"),
        ("policy: {tasks: round}\n", "a list of names"),
        ("policy: {tasks: [rounds]}\n", "policy.tasks names 'rounds'"),
        ("policy: {tasks: [rounds]}\n", "Did you mean 'round'?"),
        ("policy: {models: [everything]}\n", "policy.models names 'everything'"),
        ("max_rejected_share: 1.5\n", "max_rejected_share=1.5 cannot be used: it must be from 0"),
        ("node: {superlink: operator.example}\n", "HOST:PORT"),
        ("node: {superlink: 'https://operator.example:9443'}\n", "HOST:PORT"),
        ("node: {superlink: 'operator.example:94430'}\n", "HOST:PORT"),
        ("node: {runtime_port: 0}\n", "node.runtime_port=0"),
        ("node: {poll_s: 0}\n", "node.poll_s=0"),
        ("node: {cache_gb: -1}\n", "node.cache_gb=-1"),
        ("mapping: {units: {turnover: 0}}\n", "mapping.units.turnover=0"),
        ("mapping: {dates: {decided: day}}\n", "mapping.dates.decided=day"),
        ("mapping: {values: {guaranteed: {yes: Y}}}\n", "at line 4 has 'yes' as a name"),
        ("name: Other Bank\n", "at line 4 gives 'name' twice"),
        ("policy: [1\n", "is not valid YAML"),
    ],
)
def test_what_cannot_be_used(home: Path, text: str, wanted: str) -> None:
    sentence = refusal(home, text)
    assert wanted in sentence
    assert sentence.endswith((".", "?")) and "\n" not in sentence


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "name is empty"),
        ("name: ' A'\nschema: synthetic\nsource: {path: a}\n", "blanks"),
        ('name: "A\\n"\nschema: synthetic\nsource: {path: a}\n', "cannot be printed"),
        ("name: A\nsource: {path: a}\n", "schema is empty"),
        ("name: A\nschema: synthetc\nsource: {path: a}\n", "Did you mean 'synthetic'?"),
        ("name: A\nschema: gone.yaml\nsource: {path: a}\n", "nor a file beside bank.yaml"),
        ("name: A\nschema: synthetic\n", "source names no place"),
        ("name: A\nschema: synthetic\nsource: {path: a, query: SELECT 1}\n", "two sources"),
        ("name: A\nschema: synthetic\nsource: {url: 'sqlite:///a'}\n", "source.query"),
        ("name: A\nschema: synthetic\nsource: {query: SELECT 1}\n", "source.url"),
        (
            "name: A\nschema: synthetic\nsource: {path: a, csv: {encoding: uft9}}\n",
            "source.csv.encoding=uft9",
        ),
        (
            "name: A\nschema: synthetic\nsource: {path: a, csv: {delimitr: ';'}}\n",
            "Did you mean 'delimiter'?",
        ),
        ("- a list\n", "holds no keys and values"),
    ],
)
def test_what_has_to_be_given(home: Path, text: str, wanted: str) -> None:
    assert wanted in refusal(home, text, alone=True)


def test_a_password_is_refused_and_not_repeated(home: Path) -> None:
    sentence = refusal(
        home,
        "name: A\nschema: synthetic\n"
        "source: {url: 'postgresql://me:s3cret@db.example/loans', query: SELECT 1}\n",
        alone=True,
    )
    assert "s3cret" not in sentence and "FED_CREDIT_DB_PASSWORD" in sentence


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "bank.yaml", tmp_path / "nowhere"):
        with pytest.raises(ConfigurationError, match=r"does not exist; name the bank's home"):
            load_bank(path)


def test_a_file_that_is_not_utf_8(home: Path) -> None:
    (home / "bank.yaml").write_bytes("name: Münchner Bank\n".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"is not UTF-8 text"):
        load_bank(home)
