"""Exact models on disk: every bit comes back, in files that others read too."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fed_credit.artefact import Artefact, load_artefact, save_artefact
from fed_credit.config.names import EXACT_FAMILIES
from fed_credit.data.book import Dataset
from fed_credit.errors import ArtefactError
from fed_credit.families.alone import train_one_bank
from fed_credit.families.at_hand import LoansAtHand
from fed_credit.families.fit import fit_exact
from fed_credit.families.read import pack, unpack
from fed_credit.training.alone import Loans
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.state import ExactState

ABOUT = {"target": "坏账", "seed": 7}


@pytest.fixture(scope="module")
def loans(make_dataset: Callable[..., Dataset]) -> tuple[Dataset, Loans, Loans]:
    dataset = make_dataset({"All": 700}, seed=2)
    cut = np.random.default_rng(0).random(700) < 0.7
    train, validation = (Loans(dataset.features[rows], dataset.y[rows]) for rows in (cut, ~cut))
    return dataset, train, validation


@pytest.fixture(scope="module", params=EXACT_FAMILIES)
def artefact(
    request: pytest.FixtureRequest, loans: Any, make_run_spec: Callable[..., RunSpec]
) -> Artefact:
    run = make_run_spec(f"model={request.param}")
    _, train, validation = loans
    model = fit_exact(LoansAtHand(run, train, validation), run, ExactState())
    return Artefact(run.model, model, ABOUT)


def test_every_bit_comes_back(artefact: Artefact, loans: Any, tmp_path: Path) -> None:
    features = loans[0].features
    save_artefact(tmp_path / "model", artefact)
    read = load_artefact(tmp_path / "model")
    assert read.spec == artefact.spec and read.about == ABOUT
    assert read.sha256 == artefact.sha256
    assert read.model.preparation_sha256 == artefact.model.preparation_sha256
    assert read.model.details == artefact.model.details or "losses" in read.model.details
    assert read.score(features).tobytes() == artefact.score(features).tobytes()
    unpacked = unpack(artefact.spec, pack(artefact.model))
    assert dict(unpacked.files) == dict(artefact.model.files)
    # A loan's score does not depend on the others.
    some = features.iloc[3:90:4]
    assert read.score(some).tobytes() == artefact.score(features)[3:90:4].tobytes()


def test_a_changed_file_is_one_sentence(artefact: Artefact, tmp_path: Path) -> None:
    save_artefact(tmp_path / "model", artefact)
    for path in sorted((tmp_path / "model").iterdir()):
        whole = path.read_bytes()
        path.write_bytes(whole.replace(b"1", b"2", 1) if path.suffix != ".json" else b"{}")
        if path.read_bytes() != whole:
            with pytest.raises(ArtefactError):
                load_artefact(tmp_path / "model")
        path.write_bytes(whole)
    assert load_artefact(tmp_path / "model").sha256 == artefact.sha256


def test_others_can_read_the_files(artefact: Artefact, loans: Any, tmp_path: Path) -> None:
    dataset = loans[0]
    save_artefact(tmp_path / "model", artefact)
    folder = tmp_path / "model"
    if artefact.spec.family == "scorecard":
        with (folder / "scorecard.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert {row["feature"] for row in rows} - {"base"} == set(artefact.model.columns)
        connection = sqlite3.connect(":memory:")
        table = dataset.features.astype({"sector": object, "branch": object})
        if "branch_bucket" in (folder / "scorecard.sql").read_text():
            pytest.skip("SQL cannot hash; the bucket is for the caller to compute")
        table.to_sql("loans", connection)
        found = connection.execute((folder / "scorecard.sql").read_text()).fetchall()
        assert len(found) == len(table)
    if artefact.spec.family in ("gbdt", "tree"):
        xgboost = pytest.importorskip("xgboost", reason="the extra 'trees' is not installed")
        booster = xgboost.Booster(model_file=str(folder / "model.xgb.json"))
        matrix = artefact.model.made_of.matrix(dataset.features)
        p = booster.inplace_predict(matrix)
        np.testing.assert_allclose(p, artefact.score(dataset.features), atol=1e-6)
    if artefact.spec.family == "tree":
        assert "-> PD" in (folder / "tree.txt").read_text()
    if artefact.spec.family == "logreg_exact":
        body = json.loads((folder / "coefficients.json").read_text())
        assert body["coefficients"][0]["name"] == "intercept"


@pytest.mark.parametrize("family", EXACT_FAMILIES)
def test_a_bank_whose_loans_do_not_suffice_gives_one_pd(
    family: str, loans: Any, make_run_spec: Callable[..., RunSpec]
) -> None:
    dataset, train, validation = loans
    run = make_run_spec(f"model={family}")
    nobody = Loans(train.frame.iloc[:0], train.y[:0])
    alone = train_one_bank("Empty Bank", nobody, nobody, run)
    assert alone.best_round is None and set(alone.model.score(dataset.features)) == {0.5}
    good = Loans(train.frame.iloc[:40], np.zeros(40, np.int8))
    p = train_one_bank("Lucky Bank", good, nobody, run).model.score(dataset.features)
    assert len(set(p)) == 1 and 0 < p[0] < 0.05
    whole = train_one_bank("All", train, validation, run)
    assert whole.best_round and whole.columns > 2
    assert len(set(whole.model.score(dataset.features))) > 5
