"""Versions of the registry in a real MLflow store, read back and scored with by MLflow itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fed_credit.config.load import compose
from fed_credit.errors import ConfigurationError, TrackingError
from fed_credit.export.mlflow import export_version, figures
from fed_credit.registry.registry import Registry, Stage
from fed_credit.scoring.scorer import Explain, Scorer
from fed_credit.tracking.mlflow_store import confine

confine(5)
mlflow = pytest.importorskip("mlflow", reason="the extra 'tracking' is not installed")

WHO = {"actor": "Li Na", "reason": "It is better."}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One SQLite file, since making its tables takes a second; names keep tests apart."""
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def registry(tmp_path: Path, model_bodies: tuple[bytes, ...]) -> Iterator[Registry]:
    with Registry.open(tmp_path / "registry.db", create=True) as opened:
        for body in model_bodies[:2]:
            opened.register(body, **WHO)
        opened.move(1, Stage.CHAMPION, **WHO)
        yield opened


def test_a_version_scores_in_mlflow_as_it_does_here(registry: Registry, store: str) -> None:
    logged = export_version(registry, 1, store, "scores")
    assert (logged.version, logged.aliases) == (1, ("champion",))
    mlflow.set_tracking_uri(store)
    loaded = mlflow.pyfunc.load_model("models:/scores@champion")
    spec = compose(["data=synthetic", "data.generator.num_loans=400"]).data.generator
    assert spec is not None
    from fed_credit.data.synthetic import generate

    loans = generate(spec).set_index(np.arange(400) * 2)
    loans.loc[10, "firm_age"] = -3.0
    told = loaded.predict(loans)
    here = Scorer(registry.model(1).model).table(loans, Explain.NONE)
    assert told.index.equals(loans.index)
    assert np.array_equal(told["pd"].to_numpy()[here.rows], here.scores.pd)
    assert np.array_equal(told["score"].to_numpy()[here.rows], here.scores.score)
    assert "firm_age is below the minimum 0" in told.loc[10, "rejected"]
    assert pd.isna(told.loc[10, "pd"])
    assert told["rejected"].notna().sum() == 400 - len(here.rows)


def test_files_figures_and_tags_are_there(
    registry: Registry, store: str, tmp_path: Path, model_bodies: tuple[bytes, ...]
) -> None:
    logged = export_version(registry, 1, store, "files")
    client = mlflow.MlflowClient(tracking_uri=store)
    run = client.get_run(logged.run)
    evaluation = registry.model(1).model.evaluation
    assert run.data.metrics == figures(evaluation)
    assert run.data.metrics["test/loans"] == evaluation["test"]["loans"]
    assert run.info.status == "FINISHED"
    version = client.get_model_version("files", "1")
    assert version.tags["fed_credit.stage"] == "champion"
    assert version.tags["fed_credit.sha256"] == registry.version(1).sha256
    mlflow.set_tracking_uri(store)
    folder = Path(mlflow.artifacts.download_artifacts("models:/files/1", dst_path=str(tmp_path)))
    assert (folder / "model.fcm").read_bytes() == model_bodies[0]
    assert (folder / "card.zh.md").read_bytes() == registry.model(1).parts["card.zh.md"]


def test_aliases_follow_the_registry_and_nothing_is_logged_twice(
    registry: Registry, store: str
) -> None:
    first = export_version(registry, 1, store, "aliases")
    assert export_version(registry, 1, store, "aliases") == first
    registry.move(2, Stage.CHAMPION, **WHO)
    second = export_version(registry, 2, store, "aliases")
    assert (second.version, second.aliases) == (2, ("champion",))
    again = export_version(registry, 1, store, "aliases")
    assert (again.version, again.run, again.aliases) == (1, first.run, ())
    client = mlflow.MlflowClient(tracking_uri=store)
    assert client.get_model_version_by_alias("aliases", "champion").version == 2
    assert client.get_model_version("aliases", "1").tags["fed_credit.stage"] == "retired"


@pytest.mark.parametrize(
    ("uri", "name", "said"),
    [
        ("https://me:secret@mlflow.example", "x", "holds a password"),
        ("mlruns", "x", "is no address of MLflow"),
        ("sqlite:///x.db", "a'b", "cannot name a model"),
    ],
)
def test_what_cannot_be_used(registry: Registry, uri: str, name: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        export_version(registry, 1, uri, name)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there(registry: Registry) -> None:
    with pytest.raises(TrackingError, match=r"MLflow at http://127.0.0.1:9 failed"):
        export_version(registry, 1, "http://127.0.0.1:9", "x")
