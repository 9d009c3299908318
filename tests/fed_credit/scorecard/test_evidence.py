from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fed_credit.scorecard.evidence import information, stability, weight_of_evidence

COUNTS = st.lists(st.tuples(st.integers(1, 500), st.integers(1, 500)), min_size=2, max_size=8)


def test_figures_by_hand():
    goods, bads = np.array([60, 30, 10]), np.array([10, 10, 20])
    weights = weight_of_evidence(goods, bads, 100, 40, 0.5)
    np.testing.assert_allclose(weights, np.log([0.6 / 0.25, 0.3 / 0.25, 0.1 / 0.5]))
    values = information(goods, bads, 100, 40, 0.5)
    np.testing.assert_allclose(values, [0.35 * weights[0], 0.05 * weights[1], -0.4 * weights[2]])


def test_only_empty_cells_are_smoothed():
    goods, bads = np.array([90, 10, 0, 0]), np.array([30, 0, 10, 0])
    weights = weight_of_evidence(goods, bads, 100, 40, 0.5)
    np.testing.assert_allclose(
        weights[:3], np.log([0.9 / 0.75, 0.105 / 0.0125, 0.005 / (10.5 / 40)])
    )
    assert weights[3] == 0.0 and information(goods, bads, 100, 40, 0.5)[3] == 0.0


@given(COUNTS)
def test_merging_classes_never_adds_information(counts):
    goods, bads = np.array(counts).T
    totals = int(goods.sum()), int(bads.sum())
    apart = information(goods, bads, *totals, 0.5)
    together = information(
        np.r_[goods[0] + goods[1], goods[2:]], np.r_[bads[0] + bads[1], bads[2:]], *totals, 0.5
    )
    assert apart.sum() >= together.sum() - 1e-12
    assert (apart >= 0).all()


def test_stability_by_hand():
    index = stability(np.array([30, 70]), np.array([50, 50]))
    assert index == pytest.approx(-0.2 * np.log(0.6) + 0.2 * np.log(1.4))
    assert stability(np.array([3, 4]), np.array([6, 8])) == 0.0
    assert np.isfinite(stability(np.array([0, 10]), np.array([5, 5])))
    assert np.isnan(stability(np.array([0, 0]), np.array([5, 5])))
