"""Evidence that a field knows the outcome: it tells too much, or is filled in afterwards."""

from __future__ import annotations

import numpy as np

from fed_credit.data.schema import Kind
from fed_credit.onboarding.tally import Tally

# What a field alone may reach. Of the honest fields of SBA 7(a) none passes .70; Term, which the
# outcome overwrites, reaches .95.
MAX_AUC = 0.90
MAX_SHARE_AFTER = 0.05
_MIN_CLASS = 10  # loans of either outcome, below which nothing is said
_PURE = 0.98
_SURPRISE = 10.0  # of the rarer outcome ten times fewer than by chance


def evidence(tally: Tally) -> list[str]:
    """Say what speaks for a field being known only at the outcome.

    Four signs: the field alone tells goods from bads with an AUC of at least :data:`MAX_AUC`, be
    it by its order or, tried on the other half of the loans, by how many of each value are bad (a
    missing value is a value like any other); it is filled, or not zero, for one outcome only; one
    of its values has bad loans only; it is a date after the decision.

    Parameters
    ----------
    tally : Tally
        Counts of the field over the whole file.

    Returns
    -------
    list of str
        Sentences with the figures, the strongest first; empty if nothing speaks for it.
    """
    found = []
    labelled = tally.labelled.sum(axis=0)
    if labelled.min() >= _MIN_CLASS:
        table = tally.table()
        if table is not None:
            reached = single_field_auc(table, ordered=tally.field.kind is not Kind.CATEGORICAL)
            if reached >= MAX_AUC:
                found.append(f"it alone tells good from bad with AUC {reached:.3f}")
        found += _one_outcome(tally, labelled) or _pure_values(tally, labelled)
    if tally.compared and tally.after > MAX_SHARE_AFTER * tally.compared:
        share = tally.after / tally.compared
        found.append(f"{share:.0%} of its dates lie after the decision")
    return found


def single_field_auc(table: np.ndarray, *, ordered: bool) -> float:
    """Return the AUC that a field reaches alone.

    Parameters
    ----------
    table : numpy.ndarray
        ``(n_values + 1, 2, 2) int64``: loans by value (missing last), half, and good or bad.
    ordered : bool
        Whether the values have an order that means something.

    Returns
    -------
    float
        The larger of the AUC by order (missing left out, either direction), and the mean over the
        halves of the AUC that one half's bad rates by value reach on the other.
    """
    best = 0.0
    if ordered:
        counts = table[:-1].sum(axis=1)
        if counts.sum(axis=0).min() >= _MIN_CLASS:
            straight = _auc(counts[:, 0], counts[:, 1])
            # Where most are missing the order of the rest says little of all loans.
            if counts.sum() >= 0.5 * table.sum():
                best = max(straight, 1.0 - straight)
    prior = table[..., 1].sum() / max(table.sum(), 1)
    crossed = []
    for half in (0, 1):
        seen, tried = table[:, half], table[:, 1 - half]
        if tried.sum(axis=0).min() == 0:
            return best
        rate = (seen[:, 1] + prior) / (seen.sum(axis=1) + 1.0)
        _, level = np.unique(rate, return_inverse=True)
        goods, bads = (np.bincount(level, weights=tried[:, outcome]) for outcome in (0, 1))
        crossed.append(_auc(goods, bads))
    return max(best, float(np.mean(crossed)))


def _auc(goods: np.ndarray, bads: np.ndarray) -> float:
    """Probability that a bad loan's level is above a good one's, ties counting half."""
    below = np.cumsum(goods) - goods
    return float((bads * (below + goods / 2)).sum() / (bads.sum() * goods.sum()))


def _one_outcome(tally: Tally, labelled: np.ndarray) -> list[str]:
    for counts, word in ((tally.filled, "filled"), (tally.nonzero, "not zero")):
        rare = _one_sided(counts, labelled)
        if rare is not None:
            name = ("good", "bad")[1 - rare]
            return [
                f"{word} for {name} loans only ({counts[1 - rare]:,} {name},"
                f" {counts[rare]:,} {('good', 'bad')[rare]})"
            ]
    return []


def _one_sided(counts: np.ndarray, labelled: np.ndarray) -> int | None:
    """Return the outcome that is nearly absent, where chance would have it there."""
    total = counts.sum()
    if not total:
        return None
    for rare in (0, 1):
        expected = total * labelled[rare] / labelled.sum()
        if (
            expected >= _SURPRISE
            and counts[rare] <= expected / _SURPRISE
            and counts[rare] <= (1.0 - _PURE) * total
        ):
            return rare
    return None


def _pure_values(tally: Tally, labelled: np.ndarray) -> list[str]:
    """Find values, as of a status, that nearly only bad loans have."""
    if tally.field.kind not in (Kind.CATEGORICAL, Kind.BOOLEAN) or tally.values is None:
        return []
    counts = tally.values.to_numpy(dtype=np.int64).reshape(-1, 5)
    goods, bads = counts[:, 0] + counts[:, 2], counts[:, 1] + counts[:, 3]
    total = goods + bads
    expected = total * labelled[0] / labelled.sum()
    pure = (total >= 20) & (bads >= _PURE * total) & (goods <= expected / _SURPRISE)
    pure &= expected >= _SURPRISE
    return [
        f"value '{str(value)[:30]}' has bad loans only ({b:,} bad, {g:,} good)"
        for value, g, b in zip(tally.values.index[pure], goods[pure], bads[pure], strict=True)
    ][:3]
