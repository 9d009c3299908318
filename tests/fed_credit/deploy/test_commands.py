"""``fed-credit deploy`` as an operator types it, against a real SuperLink."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from fed_credit.cli import main
from fed_credit.config.operator import BANKS_FILE

# What no bank can find out alone has to be said in a deployment.
SAID = ["data.split.test_from=2018-01-01", "data.target.as_of=2020-01-01"]

pytestmark = pytest.mark.usefixtures("forget_nodes")


@pytest.fixture
def home(superlink: Any) -> Iterator[Path]:
    """The operator's folder, with a list of banks that a test may write."""
    yield superlink.home
    (superlink.home / BANKS_FILE).write_text("[]\n", encoding="utf-8")


@pytest.fixture
def one_bank(
    home: Path,
    make_node_key: Callable[..., tuple[Path, str]],
    make_entry: Callable[..., Any],
    tmp_path: Path,
) -> Path:
    """The operator's folder, with one registered bank that never connects."""
    entry = asdict(make_entry("North Bank", make_node_key(tmp_path)[1]))
    entry["status"] = entry["status"].value
    (home / BANKS_FILE).write_text(json.dumps([entry]), encoding="utf-8")
    return home


def deploy(capsys: pytest.CaptureFixture[str], home: Path, *words: str) -> tuple[int, str, str]:
    code = main(["deploy", *words, "--home", str(home)])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_run_without_enough_banks_fails_with_its_reason(
    one_bank: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = deploy(capsys, one_bank, "run", *SAID)
    assert (code, err) == (
        2,
        "Error: Not registered at the SuperLink: North Bank; run fed-credit deploy sync first.\n",
    )
    code, out, _ = deploy(capsys, one_bank, "sync")
    assert (code, out.partition(" (node")[0]) == (0, "Registered: North Bank")

    words = ["run", *SAID, "federation.join_timeout_s=0.5", "--name", "lonely", "--log"]
    code, out, err = deploy(capsys, one_bank, *words)
    assert code == 3, err
    assert out.startswith("Submitted: run 'lonely' (") and out.endswith(") to 1 banks\n")
    assert "Not connected now: North Bank\n" in err
    assert "Traceback" in err  # of --log: the server app's own
    last = err.splitlines()[-1]
    assert last.startswith("Error: Run 'lonely' (")
    assert "failed: Only 0 of 1 banks are connected" in last and "North Bank" in last

    code, out, _ = deploy(capsys, one_bank, "status", "--json")
    found = json.loads(out)
    assert (code, found["consortium"]) == (0, "Test Consortium")
    (bank,) = found["banks"]
    assert (bank["name"], bank["registered"], bank["online"], bank["last_seen"]) == (
        "North Bank",
        "yes",
        False,
        None,
    )
    run = found["runs"][0]
    assert (run["name"], run["status"], run["rounds"]) == ("lonely", "failed", None)
    assert run["reason"].startswith("Only 0 of 1 banks are connected")
    code, out, _ = deploy(capsys, one_bank, "status")
    assert "never connected" in out and "lonely" in out
    # Its number and its end can be had again.
    code, _, err = deploy(capsys, one_bank, "run", "--follow", "lonely")
    assert (code, err.splitlines()[-1]) == (3, last)
    code, _, err = deploy(capsys, one_bank, "stop", run["id"])
    assert code == 2 and "is failed already" in err


def test_a_stopped_run_ends_as_one(one_bank: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy(capsys, one_bank, "sync")[0] == 0
    words = ["run", *SAID, "federation.join_timeout_s=600", "--name", "long", "--detach"]
    code, out, _ = deploy(capsys, one_bank, *words)
    assert code == 0 and "Follow it with: fed-credit deploy run --follow " in out
    code, _, err = deploy(capsys, one_bank, "run", *SAID, "--name", "long")
    assert code == 2 and "Run 'long' is under way (" in err
    code, out, _ = deploy(capsys, one_bank, "stop", "long")
    assert code == 0 and out.startswith("Stopped: 'long' (")
    code, _, err = deploy(capsys, one_bank, "run", "--follow", "long")
    assert code == 4 and "was stopped." in err


@pytest.mark.slow
def test_an_interrupt_leaves_the_run_going_and_says_how_to_go_on(
    one_bank: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deploy(capsys, one_bank, "sync")[0] == 0
    words = ["run", *SAID, "federation.join_timeout_s=600", "--name", "patient"]
    command = [sys.executable, "-m", "fed_credit.cli", "deploy", *words, "--home", str(one_bank)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Submitted: run 'patient' (")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    sentence = err.splitlines()[-1]
    assert sentence.startswith("Interrupted. Run 'patient' goes on; follow it with: ")
    assert "fed-credit deploy stop " in sentence
    _, out, _ = deploy(capsys, one_bank, "status", "--json")
    newest = json.loads(out)["runs"][0]
    assert (newest["name"], newest["status"] in ("pending", "starting", "running")) == (
        "patient",
        True,
    )
    assert deploy(capsys, one_bank, "stop", newest["id"])[0] == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "model=nonsense"], "model"),
        (["run", "model.hiden=[3]"], "has no key 'model.hiden'"),
        (["run", *SAID, "data.partition.kind=dirichlet"], "has no meaning in a deployment"),
        (["run"], "has to be given"),
        (["run", "run_dir=x"], "run_dir has no meaning in a deployment; use --name NAME."),
        (["run", "--name", "../elsewhere"], "cannot be the name of a run"),
        (["run", "resume=a", "seed=3"], "so seed=3 cannot be used with it"),
        (["run", "--follow", "3", "seed=3"], "so seed=3 cannot be used with it"),
        (["run", "--follow", "none"], "knows no run 'none'"),
        (["stop", "none"], "knows no run 'none'"),
        (["strat"], "fed-credit deploy has no 'strat'; choose one of"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    code, out, err = deploy(capsys, home, *words)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ") and sentence in err and err.count("\n") == 1


def test_nothing_runs_without_banks(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = deploy(capsys, home, "run", *SAID)
    assert code == 2 and "Not registered at the SuperLink: any bank" in err
