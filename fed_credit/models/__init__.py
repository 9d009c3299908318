"""Model families behind one small protocol; imported when asked for, since PyTorch is heavy."""

from __future__ import annotations

from fed_credit.errors import ConfigurationError, suggestion
from fed_credit.models.protocol import ModelFamily

FAMILIES = ("loan_risk",)


def family(name: str) -> ModelFamily:
    """Return a model family by name.

    Raises
    ------
    ConfigurationError
        If there is none of that name.
    """
    if name == "loan_risk":
        from fed_credit.models.loan_risk import LoanRiskFamily

        return LoanRiskFamily()
    raise ConfigurationError(
        f"model.family={name} is not known; choose one of {', '.join(FAMILIES)}."
        f"{suggestion(name, FAMILIES)}"
    )
