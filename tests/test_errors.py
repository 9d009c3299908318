"""What goes wrong is one sentence: what, where, and what to do; exit code 2, and nothing half done.

The first half holds one test per mistake that people make; the second breaks files at random.
"""

from __future__ import annotations

import gzip
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import fed_credit.simulate
from fed_credit.cli import main
from fed_credit.files import write_text

SCHEMA = """
name: mine
currency: CNY
roles: {institution: bank, loan_id: loan, decision_date: decided, target: status, exposure: amount}
fields:
  bank: {kind: institution, missing: reject}
  loan: {kind: identifier, missing: reject}
  decided: {kind: date, missing: reject}
  status: {kind: target, known_at: outcome, good: [paid], bad: [lost]}
  amount: {kind: numeric, unit: CNY, min: 0}
  age: {kind: numeric, unit: months, min: 0}
  sector: {kind: categorical, values: [trade, farm]}
"""
SMALL = [
    "model=logreg",
    "federation.num_rounds=2",
    "data.min_loans=20",
    "data.max_rejected_share=0",
    "evaluation.min_bads=3",
    "evaluation.baselines=[local]",
    "progress=false",
]


def loans(n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "bank": np.where(np.arange(n) % 2, "A", "B"),
            "loan": [f"L{k}" for k in range(n)],
            "decided": (np.datetime64("2020-01-01") + rng.integers(0, 900, n)).astype(str),
            "status": np.where(rng.random(n) < 0.3, "lost", "paid"),
            "amount": rng.integers(1, 1000, n).astype(str),
            "age": rng.integers(1, 99, n).astype(str),
            "sector": rng.choice(["trade", "farm"], n),
        }
    )


def text(frame: pd.DataFrame | None = None, **options: Any) -> bytes:
    return (loans() if frame is None else frame).to_csv(index=False, **options).encode()


def with_cell(column: str, value: str, row: int = 7) -> bytes:
    frame = loans()
    frame.loc[row, column] = value
    return text(frame)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a schema and a good file, as the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    (tmp_path / "mine.yaml").write_text(SCHEMA, encoding="utf-8")
    (tmp_path / "good.csv").write_bytes(text())
    return tmp_path


@pytest.fixture
def fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the main job on the good file with the overrides given, and return its one sentence."""

    def run(*overrides: str) -> str:
        given = {text.partition("=")[0] for text in overrides}
        base = ["data=table", "data.schema=mine.yaml", "data.path=good.csv", *SMALL]
        if given & {"data.institutions", "data.url"}:
            base.remove("data.path=good.csv")
        base = [text for text in base if text.partition("=")[0] not in given]
        code = main(["simulate", *base, "run_dir=run", *overrides])
        sentence = one_sentence(capsys.readouterr().err)
        assert code == 2
        nothing_half_done(folder / "run")
        return sentence

    return run


def one_sentence(err: str) -> str:
    assert "Traceback" not in err
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("Error: ")
    assert lines[0].endswith((".", "?"))
    return lines[0]


def nothing_half_done(run: Path) -> None:
    left = sorted(path.name for path in run.rglob("*")) if run.is_dir() else []
    # What was rejected is listed for the user; anything else would look like a run.
    assert set(left) <= {"rejected_rows.csv"}


def test_the_good_file_is_good(folder: Path) -> None:
    """Or else the tests below would pass for another reason."""
    base = ["data=table", "data.schema=mine.yaml", "data.path=good.csv", "run_dir=run", *SMALL]
    assert main(["simulate", *base]) == 0
    assert (folder / "run" / "results.json").is_file()


BAD_FILES: dict[str, tuple[bytes, list[str]]] = {
    "empty": (b"", ["is empty"]),
    "empty gzip": (gzip.compress(b""), ["is empty"]),
    "header only": (text().split(b"\n")[0] + b"\n", ["has a header but no rows"]),
    "noise": (np.random.default_rng(0).bytes(5000), ["holds binary data", "export it"]),
    "an archive": (b"PK\x03\x04" + b"\x01" * 500, ["Excel workbook", "save the sheet"]),
    "Latin text": ("é;ü\nça;là\n".encode("latin-1") * 9, ["neither UTF-8 nor GB18030"]),
    "truncated gzip": (gzip.compress(text())[:-40], ["is not a whole gzip file"]),
    "damaged gzip": (
        gzip.compress(text())[:200] + b"\x00" * 80 + gzip.compress(text())[280:],
        ["is not a whole gzip file"],
    ),
    "short row": (text() + b"A,L999\n", ["line 242 has 2 values where the header has 7"]),
    "open quote": (text() + b'"A,L999\n', ["line 242 has 1 values"]),
    "missing column": (
        text(loans().rename(columns={"amount": "amonut"})),
        ["bad", "no column 'amount'", "Did you mean 'amonut'?"],
    ),
    "target missing": (text(loans().drop(columns="status")), ["no column 'status'", "target"]),
    "duplicate column": (
        text().replace(b"age", b"amount", 1),
        ["more than one column 'amount'", "rename or drop one"],
    ),
    "text in a number": (with_cell("age", "old"), ["age is not a finite number (1 rows)"]),
    "infinite number": (with_cell("amount", "inf"), ["amount is not a finite number (1 rows)"]),
    "impossible date": (with_cell("decided", "2021-02-30"), ["decided is not a date YYYY-MM-DD"]),
    "duplicate identifier": (with_cell("loan", "L1"), ["loan repeats the loan identifier"]),
    "one class only": (text(loans().assign(status="paid")), ["are good", "nothing to learn"]),
    "no outcome": (text(loans().assign(status="")), ["No labelled loan", "240 without outcome"]),
    "one bank only": (text(loans().assign(bank="A")), ["1 of 1 institutions", "needs two"]),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_cannot_be_used(name: str, folder: Path, fails: Callable[..., str]) -> None:
    content, words = BAD_FILES[name]
    if name == "duplicate identifier":  # an identifier is a bank's own: L1 is A's, row 7 too
        assert loans()["bank"][7] == loans()["bank"][1]
    (folder / "bad.csv").write_bytes(content)
    sentence = fails("data.path=bad.csv")
    for word in [*words, "bad.csv" if "rejected" not in sentence else "rejected_rows.csv"]:
        if name not in ("one class only", "no outcome", "one bank only") or word in words:
            assert word in sentence, sentence
    if "were rejected" in sentence:
        listed = pd.read_csv(folder / "run" / "rejected_rows.csv")
        assert listed["row"].tolist() == [8]


def test_places_that_hold_no_file(folder: Path, fails: Callable[..., str]) -> None:
    assert "data.path=none.csv does not exist" in fails("data.path=none.csv")
    assert "is a folder; name the file" in fails(f"data.path='{folder}'")
    assert "data.path=~nobody-here/x.csv does not exist" in fails("data.path='~nobody-here/x.csv'")


@pytest.mark.parametrize(
    ("content", "overrides", "words"),
    [
        (text(sep=";"), ["data.csv.delimiter=comma"], "set data.csv.delimiter=semicolon or auto"),
        (text(sep="\t"), ["data.csv.delimiter=semicolon"], "set data.csv.delimiter=tab or auto"),
        (text(), ["data.csv.delimiter=xx"], "choose auto, comma, semicolon, tab, pipe"),
        (text(loans().assign(n="中文")), ["data.csv.encoding=ascii"], "set data.csv.encoding to"),
        (
            loans().assign(n="贷款").to_csv(index=False).encode("gb18030"),
            ["data.csv.encoding=utf-8"],
            "is not UTF-8 text",
        ),
        (text(), ["data.csv.encoding=utf-99"], "no such encoding is known"),
        (text(), ["data.csv.encoding=base64"], "no such encoding is known"),
        (text(), ["data.csv.decimal=x"], "choose . or ,"),
        # So late that it is not in what is looked at first.
        (
            text()
            + b"A,M1,2020-01-01,paid,1,1,trade\n" * 200_000
            + "A,M1,2020-01-01,paid,1,1,é\n".encode("latin-1"),
            [],
            "is not UTF-8 text throughout",
        ),
        (
            text() + b"A,M1,2020-01-01,paid,1,1,trade\n" * 200_000 + "A,é".encode("latin-1"),
            [],
            "line 200242 has 2 values",
        ),
    ],
)
def test_a_csv_file_that_is_not_as_named(
    content: bytes, overrides: list[str], words: str, folder: Path, fails: Callable[..., str]
) -> None:
    (folder / "bad.csv").write_bytes(content)
    assert words in fails("data.path=bad.csv", *overrides)


def test_a_broken_parquet_file(folder: Path, fails: Callable[..., str]) -> None:
    loans().to_parquet(folder / "good.parquet")
    whole = (folder / "good.parquet").read_bytes()
    middle = len(whole) // 3
    for name, content in {
        "cut": whole[:-30],
        "head only": b"PAR1",
        "footer": whole[:-40] + b"\xff" * 30 + whole[-10:],
        "pages": whole[:4] + b"\xff" * middle + whole[4 + middle :],
    }.items():
        (folder / "bad.parquet").write_bytes(content)
        assert "bad.parquet is not a whole Parquet file" in fails("data.path=bad.parquet"), name


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["federation.num_round=3"], "Did you mean 'num_rounds'?"),
        (["fedration=default"], "Did you mean 'federation'?"),
        (["model=logrge"], "model=logrge does not exist"),
        (["+data.mapping.colums.a=b"], "Did you mean 'data.mapping.columns'?"),
        (["data.mapping.columns.a=b"], "write it with a plus"),
        (["data.institutions=[{nam:A,source:{path:a.csv}}]"], "Did you mean 'name'?"),
        (["data.institutions=[{name:A,source:{file:a.csv}}]"], "data.institutions[0].source"),
        (["data.institutions=[{name:A,source:{path:good.csv}}]"], "names one bank"),
        (["data.institutions=[{name:A,source:{}},{name:B,source:{path:x}}]"], "names no place"),
        (["federation.num_rounds=-1"], "federation.num_rounds=-1 cannot be used"),
        (["federation.num_rounds=0"], "it must be at least 1"),
        (["federation.num_institutions=0"], "federation.num_institutions=0 cannot be used"),
        (["federation.num_institutions=9"], "only 2 of 2 institutions"),
        (["data.split.test_share=1.2"], "above 0 and below 1"),
        (["data.split.test_share=0.7", "data.split.validation_share=0.5"], "below 1"),
        (["federation.quorum=-0.5"], "above 0 and at most 1"),
        (["data.max_rejected_share=2"], "from 0 to 1"),
        (["data.schema=none.yaml"], "neither a packaged schema"),
        (["data.url=sqlite:///x.db", "data.path=good.csv", "data.query=q"], "two sources"),
        (["data.url=sqlite:///x.db"], "data.url needs data.query"),
        (["data.query='SELECT 1'"], "name two sources"),
        (["+data.mapping.columns.agee=age", "data.path=renamed.csv"], "names the column 'agee'"),
        (["+data.mapping.columns.loan=age"], "two columns for the field 'age'"),
        (["+data.mapping.units.sector=10"], "only fields of kind numeric have units"),
        (["+data.mapping.units.age=0"], "finite number other than 0"),
        (["+data.mapping.units.agee=10"], "Did you mean 'age'?"),
        (["+data.mapping.dates.decided=yyyymmdd"], "as in %Y%m%d"),
    ],
)
def test_a_configuration_that_cannot_be_used(
    overrides: list[str], words: str, fails: Callable[..., str]
) -> None:
    if overrides[-1] == "data.path=renamed.csv":
        Path("renamed.csv").write_bytes(text(loans().rename(columns={"age": "Age"})))
    assert words in fails(*overrides)


def test_an_empty_bank_is_named(folder: Path, fails: Callable[..., str]) -> None:
    (folder / "empty.csv").write_bytes(text().split(b"\n")[0] + b"\n")
    banks = "[{name:A,source:{path:good.csv}},{name:B,source:{path:empty.csv}}]"
    sentence = fails(f"data.institutions={banks}")
    assert "empty.csv has a header but no rows" in sentence
    assert "Bank 'B'" in sentence or "data.institutions[1]" in sentence
    missing = banks.replace("empty", "none")
    assert "Bank 'B': data.institutions[1].source.path=none.csv does not exist" in fails(
        f"data.institutions={missing}"
    )
    (folder / "less.csv").write_bytes(text(loans().drop(columns="age")))
    lacking = fails(f"data.institutions={banks.replace('empty', 'less')}")
    assert "Bank 'B'" in lacking
    assert "no column 'age'" in lacking


def test_a_database_that_cannot_be_asked(folder: Path, fails: Callable[..., str]) -> None:
    with sqlite3.connect(folder / "loans.db") as connection:
        loans().to_sql("loans", connection, index=False)
    (folder / "noise.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    (folder / "text.db").write_bytes(text())
    good = ["data.url=sqlite:///loans.db", "data.query='SELECT * FROM loans'"]
    assert main(["simulate", "data=table", "data.schema=mine.yaml", *good, *SMALL]) == 0
    for url, query, words in [
        ("sqlite:///none.db", "SELECT * FROM loans", "names no file"),
        ("sqlite:///loans.db", "SELECT * FROM laons", "has no table that data.query names"),
        ("sqlite:///loans.db", "SELECT nmae FROM loans", "has no column that data.query names"),
        ("sqlite:///loans.db", "SELCT 1", "refuses data.query"),
        ("sqlite:///loans.db", "DELETE FROM loans", "data.query"),
        ("sqlite:///loans.db", "SELECT * FROM loans WHERE 1=0", "gives no rows"),
        ("sqlite:///loans.db", "SELECT bank, bank FROM loans", "more than one column 'bank'"),
        ("sqlite:///noise.db", "SELECT * FROM loans", "no whole SQLite database"),
        ("sqlite:///text.db", "SELECT * FROM loans", "no whole SQLite database"),
        ("loans.db", "SELECT * FROM loans", "is no address of a database"),
        ("http://", "SELECT 1", "database"),
        ("nosuch://localhost/x", "SELECT 1", "is no database that SQLAlchemy knows"),
        ("oracle://localhost/x", "SELECT 1", "needs the driver"),
        ("postgresql://127.0.0.1:x/d", "SELECT 1", "is no address of a database"),
        ("postgresql://127.0.0.1:1/d", "SELECT 1", "cannot be reached"),
    ]:
        assert words in fails(f"data.url='{url}'", f"data.query='{query}'"), url
    with sqlite3.connect(folder / "loans.db") as connection:
        assert connection.execute("SELECT count(*) FROM loans").fetchone() == (240,)


def test_a_postgresql_server_that_refuses(
    postgres: Any, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.store(loans(), "errors")
    postgres.sign_in(monkeypatch)
    url = f"data.url='{postgres.url}'"
    assert "has no table that data.query names" in fails(url, "data.query='SELECT * FROM laons'")
    assert "has no column that" in fails(url, "data.query='SELECT nmae FROM errors'")
    assert "refuses data.query" in fails(url, "data.query='SELCT 1'")
    refused = fails(url, "data.query='DELETE FROM errors RETURNING *'")
    assert "refuses data.query" in refused
    other = url.replace("/postgres'", "/nowhere'")
    assert "names a database that is not there" in fails(other, "data.query='SELECT 1'")
    monkeypatch.setenv("PGPASSWORD", "wrong-password")
    sentence = fails(url, "data.query='SELECT * FROM errors'")
    assert "refuses the user or the password; set PGUSER and PGPASSWORD" in sentence
    assert "wrong-password" not in sentence
    monkeypatch.delenv("PGPASSWORD")
    assert "refuses the user or the password" in fails(url, "data.query='SELECT * FROM errors'")


SECRET = "hunter2-s3cret"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@127.0.0.1/db",
        f"postgresql://me:{SECRET}@ss@127.0.0.1/db",
        f"postgresql://127.0.0.1/db?user=me&password={SECRET}",
        f"mysql+pymysql://:{SECRET}@127.0.0.1:x/db",
    ],
)
@pytest.mark.parametrize("way", ["override", "sweep", "file", "file in a sweep", "bank", "debug"])
def test_a_password_in_an_address_is_refused_and_never_written(
    url: str, way: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "mine.yaml").write_text(
        f"defaults: [table, _self_]\nschema: mine.yaml\nurl: '{url}'\nquery: SELECT 1\n"
    )
    (folder / "data" / "banks.yaml").write_text(
        "defaults: [table, _self_]\nschema: mine.yaml\ninstitutions:\n"
        "  - {name: A, source: {path: good.csv}}\n"
        f"  - {{name: B, source: {{url: '{url}', query: SELECT 1}}}}\n"
    )
    given = ["simulate", "--config-dir", ".", "run_dir=run", *SMALL]
    direct = ["data=table", "data.schema=mine.yaml", f"data.url='{url}'", "data.query='SELECT 1'"]
    given += {
        "override": direct,
        "debug": [*direct, "--debug"],
        "sweep": [*direct, "-m", "seed=1,2"],
        "file": ["data=mine"],
        "file in a sweep": ["data=mine", "-m", "seed=1,2"],
        "bank": ["data=banks"],
    }[way]
    assert main(given) == 2
    shown = capsys.readouterr()
    assert SECRET not in shown.out + shown.err
    assert "FED_CREDIT_DB_PASSWORD" in shown.err
    for path in folder.rglob("*"):
        if path.is_file() and path.parent.name != "data":
            assert SECRET.encode() not in path.read_bytes(), path


def test_a_run_folder_that_cannot_be_written(folder: Path, fails: Callable[..., str]) -> None:
    (folder / "taken").write_text("a file")
    assert "run_dir=FOLDER" in fails("run_dir=taken")
    assert "run_dir=FOLDER" in fails("run_dir=taken/below")
    assert "run_dir=FOLDER" in fails("run_dir=/proc/nowhere")
    assert (folder / "taken").read_text() == "a file"


@pytest.mark.parametrize("most", [1_500, 6_000, 20_000])
def test_a_full_disk(most: int, folder: Path) -> None:
    """A limit on the size of files stands in for it: a write fails where it does."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    base = ["data=table", "data.schema=mine.yaml", "data.path=good.csv", "run_dir=run", *SMALL]
    wide = ["model=mlp_small", "model.hidden=[256,64]", "preprocessing.missing_indicators=true"]
    done = subprocess.run(
        [sys.executable, "-m", "fed_credit.cli", "simulate", *base, *wide],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 2, done.stderr
    sentence = one_sentence(done.stderr)
    assert "cannot be written" in sentence
    assert "free space" in sentence
    left = [path.name for path in (folder / "run").rglob("*")]
    assert not [name for name in left if name.endswith(".part")]
    assert "results.json" not in left


def test_an_interrupted_write_leaves_the_old_file_or_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "report.md"
    write_text(path, "old")
    code = (
        "import os, signal, sys; from pathlib import Path; from fed_credit.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as part:\n"
        "    part.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    write_text(path, "new")
    assert path.read_text() == "new"

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fed_credit.simulate, "render_report", interrupted)
    base = ["data=table", "data.schema=mine.yaml", "data.path=good.csv", "run_dir=run", *SMALL]
    assert main(["simulate", *base]) == 130
    assert "Go on with: fed-credit simulate resume=run" in capsys.readouterr().err
    assert not (folder / "run" / "results.json").exists()
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert main(["simulate", "resume=run", "progress=false"]) == 0
    assert (folder / "run" / "results.json").is_file()


def test_debug_shows_where_it_went_wrong(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["data=table", "data.schema=mine.yaml", "data.path=none.csv", "run_dir=run", *SMALL]
    assert main(["simulate", *base, "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err
