"""Exact logistic regression: two questions for the common preprocessor, then Newton's steps."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from fed_credit.families.protocol import Banks, files_sha256, json_bytes
from fed_credit.features.means import column_means
from fed_credit.features.preprocessor import Preprocessor, fit_from_sums
from fed_credit.features.spec import FeatureSpec
from fed_credit.features.statistics import numeric_ranges
from fed_credit.files import plain
from fed_credit.models.elementwise import sigmoid
from fed_credit.models.newton import LogisticFit, fit_logistic
from fed_credit.training.questions import PreparedDesign
from fed_credit.training.run_spec import RunSpec

COEFFICIENTS, PREPROCESSOR = "coefficients.json", "preprocessor.json"


@dataclass(frozen=True)
class LogisticModel:
    """A fitted regression.

    Parameters
    ----------
    preprocessor : Preprocessor
        From a loan's fields to columns.
    body : mapping of str to object
        What was fitted, in plain values: ``coefficients``, a list of the intercept and the columns
        with name, coefficient, standard error, z, p-value and confidence interval, and each
        column's mean over the training loans; loans, bads, loss, diagnosis.
    """

    preprocessor: Preprocessor
    body: Mapping[str, Any]

    @property
    def features(self) -> list[FeatureSpec]:
        """What it looks at."""
        return [step.feature for step in self.preprocessor.steps]

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the regression, without the intercept."""
        return self.design.columns.names

    @property
    def constant(self) -> tuple[str, ...]:
        """See :class:`~fed_credit.families.protocol.Model`."""
        return self.preprocessor.constant

    @cached_property
    def sha256(self) -> str:
        """Hash of the artefact's files."""
        return files_sha256(self.files)

    @property
    def preparation_sha256(self) -> str:
        """Hash of the preprocessor."""
        return self.preprocessor.fingerprint

    @property
    def settings(self) -> dict[str, Any]:
        """See :class:`~fed_credit.families.protocol.Model`."""
        return {}

    @cached_property
    def files(self) -> dict[str, bytes]:
        """Coefficients and preprocessor, as JSON."""
        return {
            COEFFICIENTS: json_bytes(self.body),
            PREPROCESSOR: self.preprocessor.json_text.encode(),
        }

    @property
    def details(self) -> Mapping[str, Any]:
        """The table of coefficients, and how the fit ended."""
        return self.body

    def score(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the PD of loans, ``(n,) float64``."""
        return self.score_matrix(self.matrix(frame))

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the regression's columns, ``(n, n_columns) float32``."""
        # As PreparedDesign makes it, but with a column's values side by side, which are added up
        # column by column.
        columns = self.preprocessor.transform(frame, order="F").T
        return columns[list(self.design.columns.kept)].T

    def score_matrix(self, matrix: np.ndarray) -> np.ndarray:
        """Return the PD of loans by the regression's columns, ``(n,) float64``."""
        return sigmoid(self.log_odds(matrix))

    def log_odds(self, matrix: np.ndarray) -> np.ndarray:
        """Return the log-odds of default of the regression's columns, ``(n,) float64``."""
        log_odds = np.full(len(matrix), self.intercept)
        # One column after the other: a matrix product may add in another order for other loans.
        for k, slope in enumerate(self.slopes.tolist()):
            log_odds += slope * matrix[:, k].astype(np.float64)
        return log_odds

    @cached_property
    def design(self) -> PreparedDesign:
        """What makes the regression's columns."""
        return PreparedDesign(self.preprocessor)

    @property
    def intercept(self) -> float:
        """Log-odds of default where all columns are 0."""
        return float(self.body["coefficients"][0]["coefficient"])

    @cached_property
    def slopes(self) -> np.ndarray:
        """Coefficient of each column, ``(n_columns,) float64``."""
        return np.array([float(row["coefficient"]) for row in self.body["coefficients"][1:]])

    @cached_property
    def means(self) -> np.ndarray:
        """Mean of each column over the training loans, ``(n_columns,) float64``."""
        return np.array([float(row["mean"]) for row in self.body["coefficients"][1:]])

    @classmethod
    def read(cls, files: Mapping[str, bytes]) -> LogisticModel:
        """Read :attr:`files`.

        Raises
        ------
        ArtefactError, LookupError, TypeError, ValueError
            If they are not those of such a model.
        """
        preprocessor = Preprocessor.from_json(files[PREPROCESSOR].decode())
        model = cls(preprocessor, json.loads(files[COEFFICIENTS]))
        if len(model.slopes) != len(model.columns) or len(model.means) != len(model.columns):
            raise ValueError("the coefficients do not fit the preprocessor's columns")
        return model


def fit_logistic_model(banks: Banks, run: RunSpec) -> LogisticModel:
    """Fit an exact logistic regression by asking for sums.

    Parameters
    ----------
    banks : Banks
        Whom to ask.
    run : RunSpec
        Features, preprocessing and the fit's settings.

    Returns
    -------
    LogisticModel
        The same, bit for bit, however the loans are divided over banks.
    """
    counts = banks.counts()
    ranges = numeric_ranges(run.features, counts, run.preprocessing.clip_quantile)
    moments = banks.moments(ranges)
    preprocessor = fit_from_sums(run.features, counts, moments, run.preprocessing)
    design = PreparedDesign(preprocessor)
    newton = run.model.regression
    fit = fit_logistic(
        lambda question: banks.ask_matrix(design, question),
        design.columns.names,
        design.columns.exponents,
        n=int(counts["n"]),
        bads=int(counts["n_bad"]),
        spec=newton,
    )
    body = described(fit, newton.confidence)
    means = column_means(preprocessor, counts)[list(design.columns.kept)]
    for row, mean in zip(body["coefficients"][1:], means.tolist(), strict=True):
        row["mean"] = mean
    return LogisticModel(preprocessor, plain(body))


def described(fit: LogisticFit, confidence: float) -> dict[str, Any]:
    """Return a fit as plain values, NaN where a figure is not defined.

    Parameters
    ----------
    fit : LogisticFit
        The fit; of loans that all had one outcome it says that outcome.
    confidence : float
        Of the intervals.

    Returns
    -------
    dict
    """
    one_class = not 0 < fit.bads < fit.n
    coefficients = fit.coefficients.copy()
    if one_class:
        coefficients[0] = math.log((fit.bads + 0.5) / (fit.n - fit.bads + 0.5))
    with np.errstate(invalid="ignore", divide="ignore"):
        statistics = zip(
            fit.names,
            coefficients.tolist(),
            fit.standard_errors.tolist(),
            fit.z.tolist(),
            fit.p_values.tolist(),
            fit.intervals(confidence).tolist(),
            strict=True,
        )
    return {
        "coefficients": [
            {
                "name": name,
                "coefficient": coefficient,
                "standard_error": error,
                "z": z,
                "p_value": p,
                "low": low,
                "high": high,
            }
            for name, coefficient, error, z, p, (low, high) in statistics
        ],
        "confidence": confidence,
        "loans": fit.n,
        "bads": fit.bads,
        "loss": fit.loss,
        "pseudo_r2": math.nan if one_class else fit.pseudo_r2,
        "steps": fit.questions,
        "diagnosis": asdict(fit.diagnosis),
    }
