"""A bank's training answer as a summable vector, and the sum of them as a new model.

With weight ``a_k`` (loans, exposure or one) bank ``k`` releases ``a_k (w_k - w)`` and ``a_k``; the
weighted mean update of FedAvg (McMahan et al., 2017) is the quotient of the two sums.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fed_credit.config.spec import Weighting
from fed_credit.errors import ReleaseError
from fed_credit.models.protocol import Weights
from fed_credit.releases import Entry

UPDATE_BITS = 24
_UPDATE_BOUND = float(2**26)
EXPOSURE_UNIT = 1e6  # exposure counts in millions, so that it fits the bound of an update


def aggregation_weight(weighting: Weighting, n_loans: int, exposure: float) -> float:
    """Return what a bank's update counts for.

    Parameters
    ----------
    weighting : Weighting
        By loans, exposure or equally.
    n_loans : int
        The bank's training loans.
    exposure : float
        Their amount at risk in the schema's currency.

    Returns
    -------
    float
        Loans, millions of the currency, or 1; 0 for a bank without training loans.
    """
    if weighting is Weighting.LOANS:
        return float(n_loans)
    if weighting is Weighting.EXPOSURE:
        return exposure / EXPOSURE_UNIT
    return float(n_loans > 0)


def update_entries(shapes: Sequence[tuple[str, tuple[int, ...]]]) -> tuple[Entry, ...]:
    """Lay out an update: one entry per weight array, and ``weight`` last."""
    return (
        *(Entry(f"update/{name}", shape, UPDATE_BITS, _UPDATE_BOUND) for name, shape in shapes),
        Entry("weight", (), UPDATE_BITS, _UPDATE_BOUND),
    )


def weighted_update(
    names: Sequence[str], incoming: Weights, trained: Weights, weight: float
) -> dict[str, np.ndarray]:
    """Turn trained weights into a summable update.

    Parameters
    ----------
    names : sequence of str
        Names of the weight arrays.
    incoming, trained : list of numpy.ndarray
        Weights before and after training, float32.
    weight : float
        What the update counts for.

    Returns
    -------
    dict of str to numpy.ndarray
        float64 arrays in the layout of :func:`update_entries`.
    """
    update = {
        f"update/{name}": weight * (after.astype(np.float64) - before)
        for name, before, after in zip(names, incoming, trained, strict=True)
    }
    return {**update, "weight": np.array(weight)}


def apply_mean_update(
    names: Sequence[str], incoming: Weights, sums: Mapping[str, np.ndarray]
) -> Weights:
    """Move a model by the weighted mean update.

    Parameters
    ----------
    names : sequence of str
        Names of the weight arrays.
    incoming : list of numpy.ndarray
        Weights that were sent to the banks, float32.
    sums : mapping of str to numpy.ndarray
        Decoded sum of the banks' updates.

    Returns
    -------
    list of numpy.ndarray
        New weights, float32.

    Raises
    ------
    ReleaseError
        If the banks' weights add up to nothing.
    """
    total = float(sums["weight"])
    if not total > 0:
        raise ReleaseError(
            "The banks that answered have no training loans, or no exposure where"
            " strategy.weighting=exposure, so there is no mean update; set"
            " strategy.weighting=loans, or choose banks with training loans."
        )
    return [
        (before + sums[f"update/{name}"] / total).astype(np.float32)
        for name, before in zip(names, incoming, strict=True)
    ]
