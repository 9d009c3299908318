"""One model and loans of its kind, which later drift."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from fed_credit.config.load import compose
from fed_credit.data.synthetic import generate
from fed_credit.model_file.archive import Opened, opened
from fed_credit.monitoring.report import Watched
from fed_credit.scoring.scorer import Scorer

AS_OF = "2023-12-31"


@dataclass(frozen=True)
class World:
    """A model, and raw records of three banks from 2015 to 2023."""

    opened: Opened
    scorer: Scorer
    raw: pd.DataFrame

    @property
    def model(self) -> Watched:
        return Watched(None, self.opened.sha256)

    def drifted(self, since: str = "2023-07-01") -> pd.DataFrame:
        """Return the records with another mix of applicants from a day on."""
        raw = self.raw.copy()
        late = (raw["application_date"] >= since).to_numpy()
        raw.loc[late, "firm_age"] = np.maximum(raw.loc[late, "firm_age"] / 6, 0)
        gone = late & (np.arange(len(raw)) % 2 == 0)
        raw.loc[gone, "turnover"] = np.nan
        raw.loc[late, "legal_form"] = raw["legal_form"].cat.categories[0]
        return raw


@pytest.fixture(scope="session")
def world(model_bodies: tuple[bytes, ...]) -> World:
    model = opened(model_bodies[0], "here")
    spec = compose(["data=synthetic", "data.generator.num_institutions=3"]).data.generator
    raw = generate(replace(spec, num_loans=12_000))
    return World(model, Scorer(model.model), raw)
