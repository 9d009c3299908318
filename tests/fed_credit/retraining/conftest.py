"""A champion of built-in loans, trained once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fed_credit.config.load import compose
from fed_credit.config.retrain import RetrainSpec, retrain_spec
from fed_credit.config.spec import SimulationSpec
from fed_credit.data.synthetic import generate
from fed_credit.model_file.archive import Opened, open_model_file
from fed_credit.registry.registry import Registry, Stage
from fed_credit.retraining.challenger import known_on
from fed_credit.simulate import MODEL_FILE, simulate

THEN, NOW = np.datetime64("2021-12-31"), np.datetime64("2022-12-31")
GENERATOR = ["data.generator.num_loans=3000", "data.generator.num_institutions=3"]
FEATURES = "[firm_age,margin,log_arrears_days,inquiries,requested_term,guarantee]"
SETTINGS = ["data.min_loans=50", "evaluation.baselines=[]", "progress=false", "run_dir=unused"]


@dataclass(frozen=True)
class World:
    """Loans in a file, and a run over them."""

    frame: pd.DataFrame
    folder: Path

    def spec(self, *overrides: str, path: Path | None = None) -> SimulationSpec:
        return compose(
            [
                "data=table",
                f"data.path='{path or self.folder / 'loans.parquet'}'",
                "data.schema=synthetic",
                "data.target.window_months=24",
                "model=scorecard",
                f"data.features={FEATURES}",
                *SETTINGS,
                *overrides,
            ]
        )

    def champion(self, *overrides: str) -> Opened:
        run = known_on(THEN, retrain_spec({}), self.spec(*overrides)).spec
        folder = self.folder / f"champion {len(list(self.folder.iterdir()))}"
        simulate(replace(run, run_dir=str(folder)), show=False)
        return open_model_file(folder / MODEL_FILE)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    frame = generate(compose([*GENERATOR, "run_dir=unused"]).data.generator)
    frame.to_parquet(folder / "loans.parquet")
    return World(frame, folder)


@pytest.fixture(scope="session")
def champion(world: World) -> Opened:
    return world.champion()


@pytest.fixture
def registry(tmp_path: Path, champion: Opened) -> Registry:
    registry = Registry.open(tmp_path / "registry.db", create=True)
    registry.register(champion.body, actor="test", reason="first", stage=Stage.CHAMPION)
    return registry


@pytest.fixture(scope="session")
def settings() -> Callable[..., RetrainSpec]:
    def make(**own: Any) -> RetrainSpec:
        return retrain_spec(own)

    return make
