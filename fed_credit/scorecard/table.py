"""The binning table: what the trade shows of a feature's classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fed_credit.data.schema import Kind
from fed_credit.features.questions import Arrays
from fed_credit.scorecard.binning import Binning
from fed_credit.scorecard.evidence import stability
from fed_credit.scorecard.formats import number


@dataclass(frozen=True)
class TableRow:
    """One class of a feature, or all of them.

    Parameters
    ----------
    label : str
        What the class holds; ``all`` for all classes.
    loans : int
        Goods and bads.
    share : float
        Of all loans.
    goods, bads : int
        Loans by outcome.
    bad_rate : float
        Bads over loans; NaN where there are none.
    woe : float
        Weight of evidence; 0 for all classes.
    information : float
        Part of the information value; for all classes the feature's.
    """

    label: str
    loans: int
    share: float
    goods: int
    bads: int
    bad_rate: float
    woe: float
    information: float


def class_label(binning: Binning, k: int) -> str:
    """Return what class ``k`` holds, in words."""
    fine = binning.fine
    codes = binning.classes[k].codes
    values = [code for code in codes if code < fine.num_values]
    parts: list[str] = []
    if values and fine.feature.kind is Kind.NUMERIC:
        low = number(fine.cuts[values[0] - 1]) if values[0] > 0 else ""
        high = number(fine.cuts[values[-1]]) if values[-1] < len(fine.cuts) else ""
        if low and high:
            parts.append(f"{low} to under {high}")
        else:
            parts.append(f"under {high}" if high else f"{low} or more" if low else "any value")
    else:
        parts.extend(fine.name(code) for code in values)
    parts.extend(fine.name(code) for code in codes if code >= fine.num_values)
    return ", ".join(parts)


def binning_table(binning: Binning) -> list[TableRow]:
    """Return a feature's classes, and all of them in the last row.

    Parameters
    ----------
    binning : Binning
        Of the feature.

    Returns
    -------
    list of TableRow
    """
    total = sum(one.loans for one in binning.classes)
    bads = sum(one.bads for one in binning.classes)
    rows = [
        _row(class_label(binning, k), one.goods, one.bads, total, one.woe, one.information)
        for k, one in enumerate(binning.classes)
    ]
    return [*rows, _row("all", total - bads, bads, total, 0.0, binning.information)]


def _row(label: str, goods: int, bads: int, total: int, woe: float, information: float) -> TableRow:
    loans = goods + bads
    return TableRow(
        label=label,
        loans=loans,
        share=loans / total if total else float("nan"),
        goods=goods,
        bads=bads,
        bad_rate=bads / loans if loans else float("nan"),
        woe=woe,
        information=information,
    )


def class_counts(binning: Binning, counts: np.ndarray) -> np.ndarray:
    """Add up fine counts, ``(..., fine.size)``, by class, ``(..., n_classes)``."""
    added = np.zeros((*counts.shape[:-1], len(binning.classes)), dtype=np.int64)
    for k, one in enumerate(binning.classes):
        added[..., k] = counts[..., list(one.codes)].sum(axis=-1)
    return added


def stability_between_banks(
    binnings: Sequence[Binning], counts: Mapping[str, Arrays]
) -> pd.DataFrame:
    """Compare each bank's loans with all loans, class by class.

    It needs the banks' own counts, which are at hand in a simulation; where they are not, banks
    release :class:`~fed_credit.scorecard.drift.DriftQuestion` instead.

    Parameters
    ----------
    binnings : sequence of Binning
        Of all features.
    counts : mapping of str to mapping
        By bank, its decoded answer to
        :class:`~fed_credit.scorecard.counts.ClassCountsQuestion`.

    Returns
    -------
    pandas.DataFrame
        Population stability index by feature (rows) and bank (columns).
    """
    found = {}
    for binning in binnings:
        key = f"{binning.name}/counts"
        own = {bank: class_counts(binning, c[key].sum(axis=0)) for bank, c in counts.items()}
        together = np.sum(list(own.values()), axis=0)
        found[binning.name] = {bank: stability(one, together) for bank, one in own.items()}
    return pd.DataFrame.from_dict(found, orient="index")
