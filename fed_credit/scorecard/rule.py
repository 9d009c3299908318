"""What scores a loan: points, calibration and grades, as one readable file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from fed_credit.errors import ArtefactError, ConfigurationError, SchemaError
from fed_credit.scorecard.calibration import Calibration
from fed_credit.scorecard.grades import MasterScale
from fed_credit.scorecard.points import Scorecard

_FORMAT = 1


@dataclass(frozen=True)
class ScoringRule:
    """A scorecard in use.

    Parameters
    ----------
    card : Scorecard
        From a loan's fields to its score.
    calibration : Calibration
        From score to PD.
    scale : MasterScale
        From PD to grade.
    """

    card: Scorecard
    calibration: Calibration
    scale: MasterScale

    def default_probability(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the PD of loans, ``(n,) float64``.

        Raises
        ------
        DataError
            If a feature has no column.
        """
        return self.calibration.default_probability(self.card, self.card.score(frame))

    def grades(self, frame: pd.DataFrame) -> list[str]:
        """Return the rating grade of loans."""
        grade = self.scale.grade(self.default_probability(frame))
        return [self.scale.names[k] for k in grade.tolist()]

    @cached_property
    def json_text(self) -> str:
        """The rule as readable JSON, which :meth:`from_json` reads."""
        body = {
            "format": _FORMAT,
            "card": self.card.as_dict(),
            "calibration": self.calibration.as_dict(),
            "grades": dict(zip(self.scale.names, self.scale.limits, strict=True)),
        }
        return json.dumps(body, indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> ScoringRule:
        """Read :attr:`json_text`.

        Raises
        ------
        ArtefactError
            If the text is not a scorecard of a known format.
        """
        try:
            body = json.loads(text)
            if body["format"] != _FORMAT:
                raise ArtefactError(
                    f"Scorecard format {body['format']} is not known to this version, which reads"
                    f" format {_FORMAT}; install the version that wrote it."
                )
            return cls(
                Scorecard.from_dict(body["card"]),
                Calibration.from_dict(body["calibration"]),
                MasterScale.of(body["grades"]),
            )
        except (
            ConfigurationError,
            SchemaError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            reason = str(error).rstrip(".")
            raise ArtefactError(f"Not a scorecard: {reason}; restore the file.") from None
