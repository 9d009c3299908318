"""An ONNX graph gives the model's PDs and scores, or is not written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fed_credit.cli import main
from fed_credit.data.schema import Field, Kind
from fed_credit.errors import ArtefactError
from fed_credit.model_file.archive import Opened, open_model_file
from fed_credit.model_file.contents import ModelFile
from fed_credit.scoring.scorer import Explain, Scorer

onnx = pytest.importorskip("onnx", reason="the extra 'export' is not installed")
onnxruntime = pytest.importorskip("onnxruntime")

from fed_credit.export.onnx_check import TOLERANCE, compare, drawn_loans  # noqa: E402
from fed_credit.export.onnx_model import Exported, to_onnx  # noqa: E402

FAMILIES = ("scorecard", "logreg_exact", "gbdt", "tree", "mlp_small")
# What is reached: exact families are equal but for rounding; networks compute in single precision.
REACHED = dict.fromkeys(FAMILIES, 1e-12) | {"mlp_small": TOLERANCE}
Models = Callable[[str, str], ModelFile]
Draw = Callable[..., dict[str, Any]]


def as_opened(model: ModelFile) -> Opened:
    return Opened(model, "0" * 64, b"", {})


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "schema",
    [
        "everything",
        pytest.param("synthetic", marks=pytest.mark.slow),
        pytest.param("sba", marks=pytest.mark.slow),
    ],
)
def test_the_graph_scores_as_the_model_does(
    model_of: Models, make_application: Draw, family: str, schema: str
) -> None:
    model = model_of(family, schema)
    scorer, exported = Scorer(model), to_onnx(as_opened(model))
    rng = np.random.default_rng(3)
    made = [make_application(scorer.fields, rng) for _ in range(300)]
    for field in scorer.fields.values():
        if field.kind is Kind.CATEGORICAL and (field.outside == "missing" or not field.values):
            for record in made[::7]:
                record[field.name] = "never heard of"
    for loans in (pd.DataFrame(made, dtype=object), drawn_loans(scorer, 300)):
        found = compare(exported, scorer, loans)
        assert found.loans > 60
        assert max(found.model_pd, found.pd) <= REACHED[family]
        assert found.scores <= 1


@pytest.mark.parametrize("family", ["gbdt", "tree"])
def test_trees_take_the_same_leaves_on_either_side_of_each_cut(
    model_of: Models, family: str
) -> None:
    model = model_of(family, "uci_default_credit")
    scorer, exported = Scorer(model), to_onnx(as_opened(model))
    artefact: Any = model.artefact.model
    loans = drawn_loans(scorer, 40)
    rows = []
    for column in artefact.made_of.columns:
        name = column.fine.feature.name
        if column.levels or name not in loans:
            continue
        cuts = np.asarray(column.cuts, np.float32)
        near = [
            cuts,
            np.nextafter(cuts, np.float32(-np.inf)),
            np.nextafter(cuts, np.float32(np.inf)),
        ]
        # Between two numbers of single precision the model rounds, and the graph has to as well.
        between = np.nextafter(cuts.astype(np.float64), -np.inf)
        for value in np.concatenate([*(x.astype(np.float64) for x in near), between]):
            rows.append(loans.iloc[len(rows) % len(loans)].to_dict() | {name: value})
    found = compare(exported, scorer, pd.DataFrame(rows))
    assert found.loans > 100 and found.model_pd <= 1e-15


def test_what_onnx_cannot_say_is_an_input_and_says_why(model_of: Models) -> None:
    inputs = {each.name: each for each in to_onnx(as_opened(model_of("gbdt", "everything"))).inputs}
    assert "months_between" in inputs["age"].instead_of
    assert "code" in inputs["sector"].instead_of
    assert inputs["branch"].holds == "bucket" and inputs["branch"].buckets == 16
    # What can be followed is asked for by its raw fields alone.
    assert "amount" in inputs and "log_amount" not in inputs and "crossed" not in inputs
    assert not any(inputs[name].instead_of for name in ("amount", "term", "kind", "flag"))


def test_a_file_says_what_it_is_and_equal_models_give_equal_files(model_of: Models) -> None:
    model = model_of("scorecard", "synthetic")
    exported = to_onnx(as_opened(model))
    facts = {each.key: each.value for each in onnx.load_from_string(exported.body).metadata_props}
    assert facts["fed_credit.sha256"] == "0" * 64
    assert facts["fed_credit.family"] == "scorecard"
    assert "fields:" in facts["fed_credit.schema"]
    named = [each["name"] for each in json.loads(facts["fed_credit.inputs"])]
    assert named == [each.name for each in exported.inputs]
    assert to_onnx(as_opened(model)).body == exported.body


def test_a_graph_that_scores_otherwise_is_refused(model_of: Models) -> None:
    model = model_of("logreg_exact", "synthetic")
    moved = replace(model, calibration=replace(model.calibration, shift=0.20001))
    loans = drawn_loans(Scorer(model), 200)
    with pytest.raises(ArtefactError, match="does not score as the model does"):
        compare(to_onnx(as_opened(moved)), Scorer(model), loans)
    broken: Exported = to_onnx(as_opened(replace(model, calibration=replace(
        model.calibration, shift=float("nan")))))  # fmt: skip
    with pytest.raises(ArtefactError, match="nan"):
        compare(broken, Scorer(model), loans)


def test_the_command_compares_on_the_loans_it_is_given(
    model_bodies: tuple[bytes, ...], make_application: Draw, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "model.fcm").write_bytes(model_bodies[0])
    scorer = Scorer(open_model_file(tmp_path / "model.fcm").model)
    fields: dict[str, Field] = scorer.fields
    rng = np.random.default_rng(1)
    loans = pd.DataFrame([make_application(fields, rng) for _ in range(150)])
    loans.to_csv(tmp_path / "loans.csv", index=False)
    out = tmp_path / "model.onnx"
    arguments = ["model", "export", str(tmp_path / "model.fcm"), "--onnx", str(out)]
    assert main([*arguments, "--check", str(tmp_path / "loans.csv")]) == 0
    assert "differ by at most" in capsys.readouterr().out
    before = (tmp_path / "loans.csv").read_bytes()
    over = [*arguments[:-1], str(tmp_path / "loans.csv"), "--check", str(tmp_path / "loans.csv")]
    assert main(over) == 2
    assert "is the table of loans itself" in capsys.readouterr().err
    assert (tmp_path / "loans.csv").read_bytes() == before
    session = onnxruntime.InferenceSession(out.read_bytes())
    checked = scorer.validated(loans).frame
    feeds = {
        each.name: checked[each.name].astype(object).fillna("").to_numpy(dtype=object)[:, None]
        if each.type == "tensor(string)"
        else checked[each.name].to_numpy(np.float64)[:, None]
        for each in session.get_inputs()
    }
    (pds,) = session.run(["pd"], feeds)
    expected = scorer.table(loans, Explain.NONE).scores.pd
    np.testing.assert_allclose(pds[:, 0], expected, atol=1e-12)

    out.unlink()
    loans.assign(requested_amount=-1).to_csv(tmp_path / "loans.csv", index=False)
    assert main([*arguments, "--check", str(tmp_path / "loans.csv")]) == 2
    assert "rejects all loans" in capsys.readouterr().err and not out.exists()
