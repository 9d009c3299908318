from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from fed_credit.artefact import Artefact, load_artefact, save_artefact
from fed_credit.config.location import schema_dir
from fed_credit.data.book import Dataset
from fed_credit.data.load import load_dataset
from fed_credit.data.synthetic import generate
from fed_credit.data.validate import validate
from fed_credit.errors import ArtefactError, DataError, FedCreditError
from fed_credit.families.network import NetworkModel
from fed_credit.features.preprocessor import Preprocessor, fit_pooled
from fed_credit.models import family
from fed_credit.training.predict import default_probability
from fed_credit.training.run_spec import RunSpec

ABOUT = {"decision_point": "application", "target": "坏账", "seed": 7, "best_round": 3}
FILES = ["manifest.json", "model.json", "preprocessor.json", "weights.safetensors"]


def _with_weights(artefact: Artefact, weights: list[np.ndarray]) -> Artefact:
    return replace(artefact, model=replace(artefact.model, weights=weights))


@pytest.fixture
def artefact(make_run_spec: Callable[..., RunSpec], dataset: Dataset) -> Artefact:
    spec = make_run_spec("model.hidden=[4]")
    preprocessor = fit_pooled(spec.features, dataset.features, dataset.y, spec.preprocessing)
    weights = family("loan_risk").initial_weights(len(preprocessor.columns), spec.model, 1)
    return Artefact(spec.model, NetworkModel(spec.model, weights, preprocessor, -1 / 3), ABOUT)


@pytest.fixture
def folder(tmp_path: Path, artefact: Artefact) -> Path:
    save_artefact(tmp_path / "model", artefact)
    return tmp_path / "model"


def test_every_bit_comes_back(folder, artefact, dataset):
    assert sorted(path.name for path in folder.iterdir()) == FILES
    read = load_artefact(folder)
    assert read.sha256 == artefact.sha256 and read.spec == artefact.spec
    assert read.model.preprocessor == artefact.model.preprocessor and read.about == ABOUT
    assert read.model.log_odds_offset == artefact.model.log_odds_offset
    assert read.score(dataset.features).tobytes() == artefact.score(dataset.features).tobytes()


def test_the_score_is_the_default_probability_of_the_same_matrix(folder, artefact, dataset):
    x = artefact.model.preprocessor.transform(dataset.features)
    expected = default_probability(artefact.model.weights, x, artefact.spec, -1 / 3)
    score = load_artefact(folder).score(dataset.features)
    assert score.dtype == np.float64 and np.array_equal(score, expected)
    assert ((score > 0) & (score < 1)).all()
    # Columns that the model does not look at, and their order, change nothing.
    wider = dataset.features.assign(more=1.0)[["more", *dataset.features.columns[::-1]]]
    assert np.array_equal(load_artefact(folder).score(wider), expected)


@pytest.fixture(scope="module")
def engineered(make_spec) -> tuple[Dataset, pd.DataFrame, Artefact]:
    """Loans of the built-in data, their raw fields, and a model of engineered features."""
    small = ["data.generator.num_loans=1500", "data.generator.num_institutions=3"]
    spec = make_spec(*small, "data.min_loans=20", "data.target.window_months=24")
    loans = load_dataset(spec.data, num_institutions=None, schema_dir=schema_dir(), seed=7)
    records = validate(generate(spec.data.generator), loans.schema).frame
    raw = records.set_index("loan_id").loc[loans.loan_id].reset_index()
    run = RunSpec.of(spec, loans.schema, loans.fields, 7)
    preprocessor = fit_pooled(run.features, loans.features, loans.y, run.preprocessing)
    weights = family("loan_risk").initial_weights(len(preprocessor.columns), run.model, 1)
    return (
        loans,
        raw,
        Artefact(run.model, NetworkModel(run.model, weights, preprocessor, 0.1), ABOUT),
    )


def test_raw_fields_and_engineered_ones_score_alike_bit_for_bit(engineered, tmp_path):
    loans, raw, made = engineered
    save_artefact(tmp_path / "model", made)
    read = load_artefact(tmp_path / "model")
    recipes = [step.feature.recipe for step in read.model.preprocessor.steps]
    assert sum(recipe is not None for recipe in recipes) >= 7
    assert not {"log_turnover", "debt_to_turnover"} & set(raw.columns)
    expected = made.score(loans.features)
    for model in (made, read):
        assert model.score(raw).tobytes() == expected.tobytes()
    # Up to the matrix, whichever loans are taken together (the model's own sums may differ).
    some, prepare = slice(5, 300, 7), read.model.preprocessor
    matrix = prepare.transform(prepare.engineer(raw.iloc[some]))
    assert matrix.tobytes() == prepare.transform(loans.features)[some].tobytes()


def test_raw_fields_win_over_an_engineered_column_of_other_making(engineered):
    loans, raw, model = engineered
    stale = raw.assign(log_turnover=0.0)
    assert model.score(stale).tobytes() == model.score(loans.features).tobytes()
    # Without the raw field the column is all there is.
    mixed = raw.drop(columns="turnover").assign(
        **{n: loans.features[n] for n in ("log_turnover", "amount_to_turnover", "debt_to_turnover")}
    )
    assert model.score(mixed).tobytes() == model.score(loans.features).tobytes()


def test_raw_fields_that_lack_or_would_have_been_rejected_are_one_sentence(engineered):
    _, raw, model = engineered
    with pytest.raises(DataError, match="lack turnover, from which log_turnover is computed"):
        model.score(raw.drop(columns="turnover"))
    refused = raw.head(3).assign(existing_debt=[0.0, -1e9, 0.0])
    with pytest.raises(DataError, match=r"'debt_to_turnover'.*for 1 of 3 loans, first in row 2"):
        model.score(refused)


def test_a_preprocessor_with_a_broken_formula_is_not_read(engineered):
    text = engineered[2].model.preprocessor.json_text
    for bad in ("log(sector)", "turnover.__class__", "log(turnovr)"):
        with pytest.raises(ArtefactError, match="log_turnover"):
            Preprocessor.from_json(text.replace('"log(turnover)"', json.dumps(bad)))


def test_a_lacking_column_is_one_sentence(artefact, dataset):
    with pytest.raises(DataError, match="lack turnover"):
        artefact.score(dataset.features.drop(columns="turnover"))


def test_weights_that_lie_out_of_order_in_memory_come_back(tmp_path, artefact):
    across = _with_weights(artefact, [np.asfortranarray(w) for w in artefact.model.weights])
    save_artefact(tmp_path / "model", across)
    assert load_artefact(tmp_path / "model").sha256 == artefact.sha256


def test_the_same_model_is_the_same_bytes(folder, tmp_path):
    save_artefact(tmp_path / "again", load_artefact(folder))
    for name in FILES:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.parametrize("name", FILES[1:])
def test_every_changed_byte_is_detected(folder, name):
    whole = (folder / name).read_bytes()
    rng = np.random.default_rng(0)
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= int(rng.integers(1, 256))
        (folder / name).write_bytes(changed)
        with pytest.raises(ArtefactError, match=r"changed|read"):
            load_artefact(folder)


def test_no_changed_byte_of_the_manifest_changes_the_model(folder, artefact, dataset):
    manifest, few = folder / "manifest.json", dataset.features.iloc[:5]
    whole, expected = manifest.read_bytes(), artefact.score(few)
    version = whole.index(b'"fed_credit"'), whole.index(b'"weights_sha256"')
    rng = np.random.default_rng(0)
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= int(rng.integers(1, 256))
        manifest.write_bytes(changed)
        try:
            read = load_artefact(folder)
        except ArtefactError:
            continue
        # What is left is blank space and the version, which says nothing of the contents.
        assert chr(whole[place]).isspace() or version[0] <= place < version[1]
        assert np.array_equal(read.score(few), expected)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_one_sentence(folder, name):
    (folder / name).unlink()
    with pytest.raises(ArtefactError, match=name):
        load_artefact(folder)


@pytest.mark.parametrize(
    "manifest",
    ["", "null", "[]", "3", "{}", '{"format": 2}', '{"format": 2, "files": []}', '{"format": 1}'],
)
def test_a_broken_manifest_is_one_sentence(folder, manifest):
    (folder / "manifest.json").write_text(manifest)
    with pytest.raises(ArtefactError):
        load_artefact(folder)


def test_a_manifest_that_vouches_for_weights_of_another_model_is_refused(folder, tmp_path):
    from hashlib import sha256

    named = load_file(folder / "weights.safetensors")
    others = {
        "other values": {name: array + 1 for name, array in named.items()},
        "another shape": {name: array[:1] for name, array in named.items()},
        "other names": {f"{name}.old": array for name, array in named.items()},
    }
    manifest = json.loads((folder / "manifest.json").read_text())
    for arrays in others.values():
        save_file(arrays, folder / "weights.safetensors")
        body = (folder / "weights.safetensors").read_bytes()
        manifest["files"]["weights.safetensors"] = sha256(body).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(ArtefactError):
            load_artefact(folder)


def test_a_folder_without_a_model_is_one_sentence(tmp_path):
    with pytest.raises(ArtefactError, match="restore it"):
        load_artefact(tmp_path / "nowhere")


def test_a_full_disk_leaves_the_model_before(folder, artefact, dataset, monkeypatch):
    expected, write = load_artefact(folder).sha256, Path.write_bytes

    def full(path: Path, *args: object, **kwargs: object) -> None:
        if path.name == "manifest.json":
            write(path, b"ha")
            raise OSError(28, "No space left on device")
        write(path, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_bytes", full)
    other = _with_weights(artefact, [array + 1 for array in artefact.model.weights])
    with pytest.raises(FedCreditError, match="No space left"):
        save_artefact(folder, other)
    assert load_artefact(folder).sha256 == expected
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_everything_but_the_weights_is_readable_json(folder):
    for name in FILES[:3]:
        text = (folder / name).read_text(encoding="utf-8")
        assert json.loads(text) and "\n" in text
    assert "坏账" in (folder / "model.json").read_text(encoding="utf-8")
