"""Matured labels as of a day, and the newest vintage of them, which judges.

A loan's label is mature once its performance window has closed (see :mod:`fed_credit.data.target`).
On a day ``d`` with a window of ``w`` months these are the loans decided before ``d + 1 day - w
months``; events after ``d`` lie outside their windows, so nothing that happens later can reach a
label. The newest vintage is held out: a model that has seen it cannot be judged by it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fed_credit.config.retrain import VintageSpec
from fed_credit.config.spec import SimulationSpec, SplitKind
from fed_credit.data.book import Dataset
from fed_credit.data.target import add_months
from fed_credit.errors import ConfigurationError

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Vintage:
    """The newest matured loans on a day.

    Parameters
    ----------
    as_of : numpy.datetime64
        The day.
    window_months : int
        Performance window.
    first, end : numpy.datetime64
        Loans decided from ``first`` to before ``end``.
    """

    as_of: np.datetime64
    window_months: int
    first: np.datetime64
    end: np.datetime64


def newest_vintage(as_of: np.datetime64, window_months: int, months: int) -> Vintage:
    """Return the newest matured decision months on a day.

    Parameters
    ----------
    as_of : numpy.datetime64
        The day, ``datetime64[D]``.
    window_months : int
        Performance window.
    months : int
        How many decision months, the last of which may have matured in part.

    Returns
    -------
    Vintage
    """
    end = add_months(np.array([as_of + _DAY]), -window_months)[0]
    first = (end - _DAY).astype("datetime64[M]") - (months - 1)
    return Vintage(as_of, window_months, first.astype("datetime64[D]"), end)


def as_of_spec(spec: SimulationSpec, as_of: np.datetime64, vintage: VintageSpec) -> SimulationSpec:
    """Return a run that knows what was known on a day, and holds out the newest vintage.

    Parameters
    ----------
    spec : SimulationSpec
        As composed; its split and observation date are replaced.
    as_of : numpy.datetime64
        The day.
    vintage : VintageSpec
        Which loans are held out.

    Returns
    -------
    SimulationSpec

    Raises
    ------
    ConfigurationError
        If its target is a final status, of which nobody knows since when it holds.
    """
    window = spec.data.target.window_months
    if window is None:
        raise ConfigurationError(
            "data.target.window_months is null: a final status does not say since when it holds, so"
            " labels as of a day are not known; set a window, and the event's date in the schema."
        )
    held_out = newest_vintage(as_of, window, vintage.months)
    split = replace(
        spec.data.split,
        kind=SplitKind.OUT_OF_TIME,
        test_from=str(held_out.first),
        embargo=vintage.embargo,
    )
    target = replace(spec.data.target, as_of=str(as_of))
    # Repeats of a split by time share their test loans; one is the model.
    return replace(
        spec,
        data=replace(spec.data, target=target, split=split),
        evaluation=replace(spec.evaluation, repeats=1),
    )


@dataclass(frozen=True)
class NewLabels:
    """Labels that have matured since the champion's day.

    Parameters
    ----------
    loans, bads : int
        How many, and bad ones of them.
    """

    loans: int
    bads: int


def labels_since(dataset: Dataset, since: np.datetime64, window_months: int) -> NewLabels:
    """Count the labels of a data set that were not mature on an earlier day.

    Parameters
    ----------
    dataset : Dataset
        Labels as of today.
    since : numpy.datetime64
        The earlier day.
    window_months : int
        Performance window.

    Returns
    -------
    NewLabels
    """
    new = add_months(dataset.decided, window_months) > since
    return NewLabels(int(new.sum()), int(dataset.y[new].sum()))
