from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fed_credit.config.scorecard import BinningSpec, Trend
from fed_credit.scorecard.classing import best_classing
from fed_credit.scorecard.evidence import information

SPEC = BinningSpec(4, 0.1, 3, 2, 0, 0.0, Trend.NONE, {}, None, 0.5)


def all_ways(goods, bads, trend, spec):
    """Score every way to cut the bins, as the definition says."""
    m, n = len(goods), goods.sum() + bads.sum()
    for runs in range(1, spec.max_classes + 1):
        for inner in combinations(range(1, m), runs - 1):
            edges = [0, *inner, m]
            g, b = (np.array([c[i:j].sum() for i, j in pairwise(edges)]) for c in (goods, bads))
            rates = b / np.maximum(1, g + b)
            steps = np.sign(np.round(np.diff(rates), 12))
            wanted = {Trend.ASCENDING: (-1,), Trend.DESCENDING: (1,), Trend.NONE: (-1, 1)}[trend]
            if (
                (g >= spec.min_goods).all()
                and (b >= spec.min_bads).all()
                and (g + b >= max(1, spec.min_cell, spec.min_share * n)).all()
                and all(step in wanted for step in steps)
                and all(
                    spec.max_p_value is None
                    or p_value(g[i : i + 2], b[i : i + 2]) <= spec.max_p_value
                    for i in range(runs - 1)
                )
            ):
                value = information(g, b, int(goods.sum()), int(bads.sum()), spec.smoothing).sum()
                yield float(value), edges[:-1]


def p_value(goods, bads):
    from scipy.stats import chi2_contingency

    return chi2_contingency(np.array([goods, bads]), correction=False).pvalue


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), min_size=1, max_size=8),
    st.sampled_from([Trend.ASCENDING, Trend.DESCENDING, Trend.NONE]),
    st.sampled_from([None, 0.2]),
)
def test_no_other_way_is_better(counts, trend, max_p_value):
    goods, bads = np.array(counts).T
    totals = int(goods.sum()), int(bads.sum())
    if 0 in totals:
        return
    spec = replace(SPEC, max_p_value=max_p_value)
    found = best_classing(goods, bads, *totals, trend, spec)
    ways = list(all_ways(goods, bads, trend, spec))
    if not ways:
        assert found.starts == (0,)
        return
    best = max(value for value, _ in ways)
    assert found.information == pytest.approx(best, abs=1e-12)
    assert any(
        list(found.starts) == starts and value == pytest.approx(best, abs=1e-12)
        for value, starts in ways
    )


def test_automatic_takes_the_better_direction():
    goods, bads = np.array([10, 20, 30, 40]), np.array([20, 15, 10, 5])
    rising = best_classing(goods, bads, 100, 50, Trend.AUTO, SPEC)
    assert rising.trend is Trend.ASCENDING and rising.starts == (0, 1, 2, 3)
    falling = best_classing(goods[::-1], bads[::-1], 100, 50, Trend.AUTO, SPEC)
    assert falling.trend is Trend.DESCENDING
    assert falling.information == pytest.approx(rising.information)


def test_equal_rates_make_one_class():
    goods, bads = np.full(4, 20), np.full(4, 5)
    assert best_classing(goods, bads, 80, 20, Trend.NONE, SPEC).starts == (0,)


def test_a_hundred_bins_are_merged_at_once():
    rng = np.random.default_rng(0)
    goods = rng.integers(50, 100, 128)
    bads = rng.binomial(40, np.linspace(0.6, 0.1, 128))
    spec = replace(SPEC, max_classes=8, min_share=0.05)
    found = best_classing(goods, bads, int(goods.sum()), int(bads.sum()), Trend.ASCENDING, spec)
    assert len(found.starts) == 8
