"""``fed-credit model``: what people see and what programs read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fed_credit.cli import main
from fed_credit.config.spec import SimulationSpec
from fed_credit.data import synthetic
from fed_credit.model_file.archive import open_model_file, packed
from fed_credit.model_file.unpack import unpacked
from fed_credit.simulate import simulate


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, tiny_overrides: list[str]) -> Path:
    from fed_credit.config.load import compose

    folder = tmp_path_factory.mktemp("model") / "run"
    spec: SimulationSpec = compose(
        [*tiny_overrides, "evaluation.baselines=[local]", f"run_dir='{folder}'"]
    )
    simulate(spec, show=False)
    return folder / "model.fcm"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run the command; all that it says."""

    def call(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["model", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, " ".join((out + err).split())

    return call


Run = Callable[..., tuple[int, str]]


def test_show_tells_what_it_is_worth(model: Path, run: Run) -> None:
    code, said = run("show", model)
    found = open_model_file(model).model
    test = found.evaluation["test"]
    assert code == 0 and "not measured" not in said
    assert f"{test['loans']:,} ({test['bads']:,} bad)" in said
    assert "not named" in said and "signature" in said


def test_show_for_programs(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "show", str(model), "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    opened = open_model_file(model)
    assert body["sha256"] == opened.sha256 and body["signature"]["state"] == "none"
    assert body["evaluation"] == opened.model.evaluation
    assert body["policy"] == opened.model.policy.as_dict()


def test_card_in_two_languages_and_as_a_page(model: Path, run: Run, tmp_path: Path) -> None:
    assert run("card", model)[1].startswith("# Model card ## Purpose")
    assert run("card", model, "--language", "zh")[1].startswith("# 模型卡片 ## 用途")
    page, text = tmp_path / "card.html", tmp_path / "card.md"
    assert run("card", model, "--html", page, "--out", text, "--language", "zh") == (0, "")
    assert '<html lang="zh-CN">' in page.read_text(encoding="utf-8")
    assert text.read_text(encoding="utf-8") == open_model_file(model).parts["card.zh.md"].decode()
    before = model.read_bytes()
    code, said = run("card", model, "--out", model)
    assert code == 2 and "is the model itself" in said and model.read_bytes() == before
    code, said = run("card", tmp_path / "none.fcm", "--out", text)
    assert code == 2 and "none.fcm" in said and "Traceback" not in said


def test_from_keygen_to_a_trusted_signature(model: Path, run: Run, tmp_path: Path) -> None:
    file, keys = tmp_path / "m.fcm", tmp_path / "keys"
    file.write_bytes(model.read_bytes())
    for name in ("ops", "other"):
        assert run("keygen", "--out", keys, "--name", name)[0] == 0
    assert run("verify", file)[0] == 0
    code, said = run("verify", file, "--trusted", keys / "ops.pub")
    assert code == 1 and "It is not signed" in said
    assert run("sign", file, "--key", keys / "ops.key", "--signer", "模型管理部")[0] == 0
    code, said = run("verify", file, "--trusted", keys / "other.pub", keys / "ops.pub")
    assert code == 0 and "signed by '模型管理部'" in said and "which you trust" in said
    code, said = run("verify", file, "--trusted", keys / "other.pub")
    assert code == 1 and "none that you named as trusted" in said
    assert run("verify", file)[0] == 0
    # Signed again by another, in place of the first.
    assert run("sign", file, "--key", keys / "other.key")[0] == 0
    assert run("verify", file, "--trusted", keys / "ops.pub")[0] == 1
    code, said = run("verify", file, "--trusted", keys / "other.pub", "--json")
    body = json.loads(said)
    assert code == 0 and body["good"] and body["signature"]["signer"] == "other"
    assert body["sha256"] == open_model_file(model).sha256


def test_verify_says_which_part_was_changed(model: Path, run: Run, tmp_path: Path) -> None:
    parts = unpacked(model.read_bytes(), "x")
    file = tmp_path / "m.fcm"
    changed = parts["policy.json"].replace(b'"reasons": 4', b'"reasons": 9')
    file.write_bytes(packed({**parts, "policy.json": changed, "new.txt": b"x"}))
    code, said = run("verify", file, "--against", model)
    assert code == 1
    assert "'policy.json' is not what the manifest says" in said and "'new.txt' was added" in said
    assert "'policy.json': reasons was 4 and is 9" in said
    assert "'new.txt' is not in the other" in said


def test_verify_of_what_is_no_model(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "m.fcm"
    for body in (b"", b"PK", b"hello"):
        file.write_bytes(body)
        code, said = run("verify", file)
        assert code == 2 and said.startswith("Error: ") and "Traceback" not in said
    assert run("verify", tmp_path / "none.fcm")[0] == 2


def test_edit_tells_before_and_after(model: Path, run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own.fcm"
    code, said = run("edit", model, "--out", own, "--approve-below", "0.07", "--owner", "Wei")
    assert code == 0 and "-> 0.0700" in said and "not signed" in said
    assert open_model_file(own).model.provenance["owner"] == "Wei"
    code, said = run("verify", own, "--against", model)
    assert code == 0 and "approve_below was" in said
    for arguments, word in (
        (("edit", model, "--out", own, "--reasons", "1"), "name a new file"),
        (("edit", model, "--out", model, "--reasons", "1"), "is the model itself"),
        (("edit", model, "--out", tmp_path / "x.fcm"), "Nothing was set"),
        (("edit", model), "--out"),
        (("edit", model, "--out", tmp_path / "x.fcm", "--approve-below", "2"), "approve_below=2"),
    ):
        code, said = run(*arguments)
        assert code == 2 and word in said and not (tmp_path / "x.fcm").exists()


def test_edit_by_a_policy_file(model: Path, run: Run, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("approve_below: 0.05\ndecline_from: 0.2\nreasons: 3\n", encoding="utf-8")
    assert run("edit", model, "--out", tmp_path / "own.fcm", "--policy", policy)[0] == 0
    found = open_model_file(tmp_path / "own.fcm").model.policy
    assert (found.approve_below, found.decline_from, found.reasons) == (0.05, 0.2, 3)
    policy.write_text("aprove_below: 0.05\n", encoding="utf-8")
    code, said = run("edit", model, "--out", tmp_path / "x.fcm", "--policy", policy)
    assert code == 2 and "Did you mean 'approve_below'" in said


def test_recalibrate_tells_how_many_loans(
    model: Path, run: Run, tmp_path: Path, tiny_run: Callable[..., SimulationSpec]
) -> None:
    generator = tiny_run().data.generator
    generator.num_loans, generator.seed = 6000, 5
    frame = synthetic.generate(generator)
    loans = tmp_path / "loans.parquet"
    frame[frame["institution"] == "Bank A"].to_parquet(loans)
    own = tmp_path / "own.fcm"
    code, said = run(
        "recalibrate", model, loans, "--out", own, "--split", "random", "--as-of", "2024-12-31"
    )
    assert code == 0 and "Calibrated on" in said and "-> " in said
    note = open_model_file(own).model.provenance["edits"][0]
    assert f"{note['loans']:,} loans ({note['bads']:,} bad)" in said
    few = tmp_path / "few.parquet"
    frame.head(60).to_parquet(few)
    dated = ("--split", "random", "--as-of", "2024-12-31")
    code, said = run("recalibrate", model, few, "--out", tmp_path / "x.fcm", *dated)
    assert code == 2 and "needs at least 50 of either" in said
    assert not (tmp_path / "x.fcm").exists()
    code, said = run("recalibrate", model, loans, "--out", own, "--test-share", "1.5")
    assert code == 2 and "--test-share" in said


@pytest.mark.parametrize(
    "name", ["show", "card", "verify", "sign", "keygen", "edit", "recalibrate"]
)
def test_every_subcommand_helps(name: str, run: Run) -> None:
    with pytest.raises(SystemExit) as raised:
        run(name, "--help")
    assert raised.value.code == 0
