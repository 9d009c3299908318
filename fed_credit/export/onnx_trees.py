"""Trees as the attributes of ONNX's ``TreeEnsembleRegressor``."""

from __future__ import annotations

from typing import Any

import numpy as np

from fed_credit.trees.ensemble import Ensemble
from fed_credit.trees.nodes import FEATURE, LEFT, MISSING_LEFT, VALUE
from fed_credit.trees.spec import MARGIN_UNIT


def tree_attributes(ensemble: Ensemble) -> dict[str, Any]:
    """Return the attributes of an ensemble's trees, without its base.

    Values below a threshold go left, compared in single precision, and missing ones as each node
    says: the same leaves as :meth:`Ensemble.margins`. A leaf has 24 significant bits at most, so
    that sums below 16 are exact in single precision.
    """
    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            "nodes_treeids",
            "nodes_nodeids",
            "nodes_featureids",
            "nodes_values",
            "nodes_modes",
            "nodes_truenodeids",
            "nodes_falsenodeids",
            "nodes_missing_value_tracks_true",
            "target_treeids",
            "target_nodeids",
            "target_ids",
            "target_weights",
        )
    }
    for k, tree in enumerate(ensemble.trees):
        rows, inner, n = tree.rows, tree.inner, len(tree.rows)
        left = np.where(inner, rows[:, LEFT], 0)
        for name, values in (
            ("nodes_treeids", np.full(n, k)),
            ("nodes_nodeids", np.arange(n)),
            ("nodes_featureids", np.where(inner, rows[:, FEATURE], 0)),
            ("nodes_values", ensemble.thresholds(tree)),
            ("nodes_truenodeids", left),
            ("nodes_falsenodeids", np.where(inner, left + 1, 0)),
            ("nodes_missing_value_tracks_true", inner & (rows[:, MISSING_LEFT] != 0)),
        ):
            columns[name] += np.asarray(values).tolist()
        columns["nodes_modes"] += ["BRANCH_LT" if split else "LEAF" for split in inner]
        leaves = np.flatnonzero(~inner)
        columns["target_treeids"] += [k] * len(leaves)
        columns["target_nodeids"] += leaves.tolist()
        columns["target_ids"] += [0] * len(leaves)
        columns["target_weights"] += (rows[leaves, VALUE] * MARGIN_UNIT).tolist()
    columns["nodes_missing_value_tracks_true"] = [
        int(goes) for goes in columns["nodes_missing_value_tracks_true"]
    ]
    return columns
