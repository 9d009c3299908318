"""What a bank asks of a preprocessor that came by wire: that it looks at the run's features alone.

The features of a run are compared with the bank's own schema. A step names its feature once more,
and whoever wrote it could name other values there: those of a field that the schema only counts by
hash bucket, say, which would let a score histogram tell how many loans hold one chosen value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fed_credit.data.schema import Kind
from fed_credit.errors import ReleaseError
from fed_credit.features.preprocessor import Preprocessor
from fed_credit.features.spec import FeatureSpec
from fed_credit.features.steps import BooleanStep, CategoricalStep, NumericStep


def check_steps(preprocessor: Preprocessor, features: Sequence[FeatureSpec]) -> None:
    """Refuse a preprocessor that looks at more than a run's features, or that no fit could give.

    Parameters
    ----------
    preprocessor : Preprocessor
        As it came.
    features : sequence of FeatureSpec
        The run's, which the bank has found to be its own.

    Raises
    ------
    ReleaseError
        If a step's feature is not one of them in every respect, two steps share one, or categories
        become more columns than there are; safe to send.
    """
    left = {feature.name: feature for feature in features}
    for step in preprocessor.steps:
        if left.pop(step.feature.name, None) != step.feature:
            raise ReleaseError(
                "The preprocessor of the request looks at something else than the run's features,"
                " or at one of them twice; refused."
            )
        if not isinstance(step, CategoricalStep) and not _is_plain(step):
            raise ReleaseError(
                f"The preprocessor of the request holds limits or scales for"
                f" '{step.feature.name}' that no fit gives; refused."
            )
        if isinstance(step, CategoricalStep) and not _fits(step):
            raise ReleaseError(
                f"The preprocessor of the request has no group for each category of"
                f" '{step.feature.name}', or more columns than categories; refused."
            )


def _is_plain(step: NumericStep | BooleanStep) -> bool:
    """Whether its numbers are finite and in their order, and it belongs to such a feature."""
    indicator: Any = step.indicator  # whatever its type says, it came as JSON
    if not isinstance(indicator, bool):
        return False
    if isinstance(step, BooleanStep):
        fits = step.feature.kind is Kind.BOOLEAN and _is_number(step.share_true)
        return fits and 0 <= step.share_true <= 1
    numbers = (step.low, step.high, step.median, step.median_width, step.mean, step.scale)
    return (
        step.feature.kind is Kind.NUMERIC
        and all(map(_is_number, numbers))
        and step.low <= step.high
        and step.scale > 0
    )


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def _fits(step: CategoricalStep) -> bool:
    codes = step.feature.num_categories + 2  # not listed, missing
    columns = len(step.columns)
    return (
        step.feature.kind is Kind.CATEGORICAL
        and columns <= codes
        and len(step.groups) == codes
        and all(isinstance(group, int) and -1 <= group < columns for group in step.groups)
    )
