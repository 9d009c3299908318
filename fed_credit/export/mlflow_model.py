"""A model's file as MLflow loads it: ``mlflow.pyfunc.load_model("models:/NAME@champion")``.

Fed Credit has to be installed where it is loaded: the model's file holds no code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fed_credit.decision.policy import VERDICTS
from fed_credit.model_file.archive import open_model_file
from fed_credit.scoring.scorer import Explain, Scorer


class LoadedModel:
    """What MLflow calls.

    Parameters
    ----------
    path : Path
        The model's file, which is checked part by part.
    """

    def __init__(self, path: Path) -> None:
        self._scorer = Scorer(open_model_file(path).model)

    def predict(self, data: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Score a table of applications.

        Parameters
        ----------
        data : pandas.DataFrame
            ``(n, ...)``: raw fields of any dtypes.
        params : dict, optional
            MLflow's; there are none.

        Returns
        -------
        pandas.DataFrame
            ``(n, 6)`` with the index of ``data``: ``pd``, ``model_pd``, ``score``, ``grade``,
            ``verdict``, and ``rejected``, which says why a row has none of the others.
        """
        found = self._scorer.table(data, Explain.NONE)
        scores, rows = found.scores, found.rows
        names = np.array(self._scorer.model.policy.scale.names, dtype=object)
        verdicts = np.array([str(verdict) for verdict in VERDICTS], dtype=object)
        table = pd.DataFrame(
            {
                "pd": scores.pd,
                "model_pd": scores.model_pd,
                "score": scores.score.astype(np.float64),
                "grade": names[scores.grade],
                "verdict": verdicts[scores.verdict],
            },
            index=rows,
        ).reindex(np.arange(len(data)))
        table["rejected"] = None
        refused = found.rejected.groupby("row")
        for row, group in refused:
            said = "; ".join(f"{one.field} {one.reason}" for one in group.itertuples())
            table.loc[int(str(row)) - 1, "rejected"] = said
        return table.set_axis(data.index, axis=0)


def _load_pyfunc(path: str) -> LoadedModel:
    """Load a model for MLflow, which finds this function by its name."""
    return LoadedModel(Path(path))
