from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fed_credit.cli import main
from fed_credit.data.schema import load_schema

N = 300


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A table of two banks, separated by semicolons."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "bank": np.repeat(["A", "B"], N // 2),
            "status": rng.choice(["paid", "default"], N, p=[0.8, 0.2]),
            "turnover": rng.lognormal(10, 1, N).round(2),
            "sector": rng.choice(["trade", "farming"], N),
        }
    )
    path = tmp_path / "loans.csv"
    frame.to_csv(path, index=False, sep=";")
    return path


def infer(path: Path, *more: str) -> int:
    out = str(path.with_name("schema.yaml"))
    named = ("--target", "status", "--institution", "bank", "--out", out)
    return main(["schema", "infer", str(path), *named, *more])


def test_infer_writes_a_schema_once(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert infer(export) == 0
    shown = capsys.readouterr().out
    assert f"data.path={export}" in shown
    assert "data.min_loans=150" in shown
    schema = load_schema(export.with_name("schema.yaml"))
    assert schema.roles.target == "status"
    assert infer(export) == 2
    assert "--force" in capsys.readouterr().err
    assert infer(export, "--force") == 0


def test_the_printed_command_allows_for_what_is_rejected(
    export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv(export, sep=";", dtype="str")
    frame.loc[::10, "bank"] = None
    frame.to_csv(export, index=False)
    assert infer(export) == 0
    shown = capsys.readouterr().out
    assert "10% of the sampled rows would be rejected" in shown
    assert "data.max_rejected_share=0.12" in shown


def test_check_tells_by_its_exit_code(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert infer(export) == 0
    schema, found = str(export.with_name("schema.yaml")), export.with_name("found.json")
    assert main(["schema", "check", str(export), "--schema", schema]) == 0
    frame = pd.read_csv(export, sep=";")
    frame.loc[frame["bank"] == "B", "turnover"] /= 10_000
    frame.to_csv(export, index=False)
    command = ["schema", "check", str(export), "--schema", schema, "--json", str(found)]
    assert main(command) == 1
    capsys.readouterr()
    body = json.loads(found.read_text(encoding="utf-8"))
    assert [(each["bank"], each["what"]) for each in body["findings"]] == [
        # Of two that disagree nobody knows who is right.
        ("A", "units"),
        ("B", "units"),
    ]
    assert body["banks"]["A"]["fields"]["turnover"] == {
        "rows": N // 2,
        "missing": 0,
        "broken": 0,
        "outside": 0,
        "unlisted": 0,
    }
    words = ["data=table", f"data.path='{export}'", f"data.schema='{schema}'"]
    assert main(["schema", "check", *words]) == 1
    assert "units" in capsys.readouterr().out


def test_check_takes_a_file_per_bank(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert infer(export) == 0
    frame = pd.read_csv(export, sep=";").drop(columns="bank")
    paths = [export.with_name("north.csv"), export.with_name("south.parquet")]
    frame.iloc[: N // 2].to_csv(paths[0], index=False)
    frame.iloc[N // 2 :].assign(turnover=lambda f: f["turnover"] * 1000).to_parquet(paths[1])
    schema = str(export.with_name("schema.yaml"))
    capsys.readouterr()
    assert main(["schema", "check", *map(str, paths), "--schema", schema]) == 1
    shown = capsys.readouterr().out
    assert "north" in shown and "south" in shown and "2 banks" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["infer", "{file}", "--target", "status"], "--institution"),
        (["infer", "{no}", "--target", "a", "--institution", "b", "--out", "{o}"], "not exist"),
        (["infer", "{file}", "--target", "a", "--institution", "b", "--out", "{o}"], "--target=a"),
        (["infer", "{file}", "--target", "a", "--institution", "b", "--out", "{d}"], "is a folder"),
        (["infer", "{file}", "--target", "a", "--institution", "b", "--out", "{d}/x/y"], "exist"),
        (["check", "{file}"], "--schema"),
        (["check", "{file}", "--schema", "{no}"], "neither a packaged schema"),
        (["check", "{file}", "data=table"], "one or the other"),
        (["chekc"], "Did you mean 'check'"),
    ],
)
def test_mistakes_are_one_sentence(
    export: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    folder = export.parent
    places = {"file": export, "no": folder / "none", "o": folder / "o.yaml", "d": folder}
    assert main(["schema", *(word.format(**places) for word in words)]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.startswith("Error: ") and shown.count("\n") == 1
    assert not (folder / "o.yaml").exists()


@pytest.mark.parametrize("words", [[], ["infer"], ["check"]])
def test_help_is_quick(words: list[str]) -> None:
    start = time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-X", "importtime", "-m", "fed_credit.cli", "schema"),
            *words,
            "--help",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert "usage" in done.stdout
    assert "pandas" not in done.stderr and "torch" not in done.stderr
    assert time.monotonic() - start < 5  # a second where nothing else runs
