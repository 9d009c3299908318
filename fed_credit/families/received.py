"""What a bank asks of an exact model that came by wire: that a run like this can give it."""

from __future__ import annotations

from fed_credit.families.card import ScorecardModel
from fed_credit.families.logistic import LogisticModel
from fed_credit.families.protocol import Model
from fed_credit.features.received import check_steps
from fed_credit.training.received import check_card, check_columns
from fed_credit.training.run_spec import RunSpec


def check_model(model: Model, run: RunSpec) -> None:
    """Refuse a model that looks at more than a run's features, or at them as no fit does.

    Parameters
    ----------
    model : Model
        As it came; of an exact family.
    run : RunSpec
        The run, whose features the bank has found to be its own.

    Raises
    ------
    ReleaseError
        Names what is wrong; safe to send.
    """
    if isinstance(model, LogisticModel):
        check_steps(model.preprocessor, run.features)
        return
    if isinstance(model, ScorecardModel):
        check_card(model.rule.card, run)
        return
    from fed_credit.families.boosted import TreesModel  # numba takes a second to import

    assert isinstance(model, TreesModel)
    check_columns(model.made_of, run)
