"""Reasons for the decision on one loan: the features' amounts add up to its log-odds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fed_credit.artefact import Artefact
from fed_credit.data.schema import Field, Kind
from fed_credit.explain.explainer import explainer_of
from fed_credit.explain.sentences import sentence, spoken_of
from fed_credit.features.preprocessor import engineered


@dataclass(frozen=True)
class Reason:
    """One feature that took from a loan's score.

    Parameters
    ----------
    feature : str
        Its name.
    value : float, str, bool or None
        The loan's value of what the sentence speaks of: of the raw field where the feature is
        computed from one number alone that the loans hold; None where missing.
    amount : float
        Points fewer than the best class has, or what is added to the log-odds of default.
    en, zh : str
        The same as a sentence.
    """

    feature: str
    value: float | str | bool | None
    amount: float
    en: str
    zh: str


@dataclass(frozen=True)
class Explanation:
    """One loan's score, taken apart: ``log_odds = reference + per_unit * sum(amounts)``.

    Parameters
    ----------
    pd, log_odds : float
        The model's, of default.
    unit : str
        Of the amounts: ``points`` or ``log-odds``.
    reference : float
        Log-odds of the best possible card (points), or of an average training loan.
    per_unit : float
        Log-odds of default per unit of amount.
    amounts : mapping of str to float
        By feature; positive where it takes from a good score.
    reasons : tuple of Reason
        The largest positive amounts, falling.
    tolerance : float
        Log-odds by which the sum may miss: 0 for an exact model but for rounding.
    """

    pd: float
    log_odds: float
    unit: str
    reference: float
    per_unit: float
    amounts: Mapping[str, float]
    reasons: tuple[Reason, ...]
    tolerance: float


def reasons(
    artefact: Artefact,
    frame: pd.DataFrame,
    top: int,
    fields: Mapping[str, Field] | None = None,
) -> list[Explanation]:
    """Explain the scores of loans.

    For a scorecard the amounts are points lost to each feature's best class. For a logistic
    regression they are what sets each column apart from its mean over the training loans, times its
    coefficient. For trees they are path-dependent Shapley values (see
    :mod:`fed_credit.trees.reasons`). These are exact. For a network they are integrated gradients,
    which add up to a tolerance (see :mod:`fed_credit.explain.network`). Columns of one feature are
    added up.

    Parameters
    ----------
    artefact : Artefact
        Of any family.
    frame : pandas.DataFrame
        ``(n, ...)`` validated loans, as for :meth:`Artefact.score`.
    top : int
        Reasons per loan at most.
    fields : mapping of str to Field, optional
        Of the schema, for what sentences speak of, labels and units; features by their names
        without it.

    Returns
    -------
    list of Explanation
        One per loan. A loan's own does not depend on the others, but for the last bits of a
        network's log-odds and PD.

    Raises
    ------
    DataError
        As :meth:`Artefact.score`.
    """
    explainer = explainer_of(artefact)
    loans = engineered(artefact.model.features, frame)
    matrix = explainer.matrix(loans)
    parts = explainer.lost(matrix)
    odds = explainer.log_odds(matrix)
    pds = artefact.model.score(loans)
    kinds = {feature.name: feature.kind for feature in artefact.model.features}
    fields = {} if fields is None else fields
    spoken = {name: spoken_of(name, fields, loans.columns) for name in explainer.features}
    order = np.argsort(-parts.amounts, axis=1, kind="stable")[:, :top]
    found = []
    for k in range(len(loans)):
        amounts = dict(zip(explainer.features, parts.amounts[k].tolist(), strict=True))
        told = []
        for name in (explainer.features[j] for j in order[k].tolist()):
            if amounts[name] <= 0.0:
                break
            told_of = spoken[name]
            kind = kinds[name] if told_of == name else fields[told_of].kind
            value = _value(loans[told_of].iloc[k], kind)
            words = sentence(told_of, value, amounts[name], parts.unit, fields.get(told_of))
            told.append(Reason(name, value, amounts[name], *words))
        found.append(
            Explanation(
                float(pds[k]),
                float(odds[k]),
                parts.unit,
                parts.reference,
                parts.per_unit,
                amounts,
                tuple(told),
                explainer.tolerance,
            )
        )
    return found


def _value(value: object, kind: Kind) -> float | str | bool | None:
    """Return a loan's value as plain Python."""
    if value is None or value is pd.NA or value != value:
        return None
    if kind is Kind.CATEGORICAL:
        return str(value)
    number = float(str(value)) if isinstance(value, str) else float(value)  # type: ignore[arg-type]
    return number > 0.0 if kind is Kind.BOOLEAN else number
