"""What follows from a PD: verdict, score, grade."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from fed_credit.config.decision import ScaleSpec
from fed_credit.decision.policy import VERDICTS, DecisionPolicy
from fed_credit.errors import ConfigurationError
from fed_credit.scorecard.grades import MasterScale


def policy(**changed: Any) -> DecisionPolicy:
    given: dict[str, Any] = {
        "approve_below": 0.1,
        "decline_from": 0.3,
        "reasons": 4,
        "points": ScaleSpec(20.0, 600.0, 50.0),
        "scale": MasterScale.of({"A": 0.05, "B": 0.2, "C": 1.0}),
    }
    return DecisionPolicy(**{**given, **changed})


def test_verdicts_at_their_limits() -> None:
    pds = np.array([0.0, np.nextafter(0.1, 0), 0.1, np.nextafter(0.3, 0), 0.3, 1.0])
    said = [str(VERDICTS[code]) for code in policy().verdicts(pds)]
    assert said == ["approve", "approve", "refer", "refer", "decline", "decline"]
    one = policy(decline_from=0.1)
    assert "refer" not in {str(VERDICTS[code]) for code in one.verdicts(np.linspace(0, 1, 101))}


def test_points_double_the_odds() -> None:
    at_base = -math.log(50.0)  # odds of default of 1 to 50
    found = policy().scores(np.array([at_base, at_base - math.log(2), at_base + math.log(2)]))
    np.testing.assert_array_equal(found, [600, 620, 580])


def test_grades_and_their_limits() -> None:
    np.testing.assert_array_equal(policy().grades(np.array([0.0, 0.05, 0.2, 1.0])), [0, 1, 2, 2])


def test_what_was_written_is_read() -> None:
    assert DecisionPolicy.from_dict(policy().as_dict()) == policy()


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"approve_below": 1.5}, "approve_below=1.5"),
        ({"decline_from": float("nan")}, "decline_from=nan"),
        ({"decline_from": 0.05}, "what is approved cannot be declined"),
        ({"reasons": -1}, "reasons=-1"),
        ({"points": ScaleSpec(0.0, 600.0, 50.0)}, "pdo"),
        ({"points": ScaleSpec(math.inf, 600.0, 50.0)}, "pdo"),
        ({"points": ScaleSpec(1e300, 600.0, 50.0)}, "pdo"),
        ({"points": ScaleSpec(20.0, math.nan, 50.0)}, "base_score=nan"),
        ({"points": ScaleSpec(20.0, 1e30, 50.0)}, "base_score=1e"),
        ({"points": ScaleSpec(20.0, 600.0, math.inf)}, "base_odds"),
    ],
)
def test_what_makes_no_sense_is_refused(changed: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        policy(**changed)


@pytest.mark.parametrize("changed", [{"reasons": "four"}, {"cut": 0.1}, {"grades": {"A": 0.5}}])
def test_what_a_person_wrote_wrong_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        DecisionPolicy.from_dict({**policy().as_dict(), **changed})
