"""Fit an exact family, whoever answers its questions."""

from __future__ import annotations

from collections.abc import Callable

from fed_credit.families.protocol import Banks, Model
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.state import ExactState


def fit_exact(
    banks: Banks,
    run: RunSpec,
    state: ExactState,
    after_round: Callable[[], None] = lambda: None,
) -> Model:
    """Fit the model of a run by asking for sums.

    Parameters
    ----------
    banks : Banks
        Whom to ask.
    run : RunSpec
        What to fit.
    state : ExactState
        Where to go on; changed in place. Families that take a handful of exchanges start over.
    after_round : callable
        Called when a round of boosting is done.

    Returns
    -------
    Model

    Raises
    ------
    FedCreditError
        If the loans do not suffice.
    """
    family = run.model.family
    if family == "logreg_exact":
        from fed_credit.families.logistic import fit_logistic_model

        return fit_logistic_model(banks, run)
    if family == "scorecard":
        from fed_credit.families.card import fit_scorecard_model

        return fit_scorecard_model(banks, run)
    from fed_credit.families.boosted import fit_trees

    return fit_trees(banks, run, state, after_round)
