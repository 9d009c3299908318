"""The ensemble in XGBoost's own JSON, so that XGBoost, SHAP and what else reads it can use it.

XGBoost adds leaves up in float32, one after the other. Leaves here are multiples of ``2**-20``, so
its sums are exact below 16 and its log-odds are ours. A start value that is no such multiple would
spoil that: the log-odds before the first tree are part of the first tree's leaves instead.

What XGBoost has no place for (cuts, loans per node) stands in the model's attributes, which it
keeps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from fed_credit.errors import ArtefactError, FedCreditError
from fed_credit.trees.binned import Bins
from fed_credit.trees.ensemble import Ensemble, Tree
from fed_credit.trees.nodes import BIN, FEATURE, LEAF, LEFT, MISSING_LEFT, VALUE, WIDTH, Trees
from fed_credit.trees.spec import GRADIENT_BITS, MARGIN_UNIT

_ATTRIBUTE = "fed_credit"
_FORMAT = 1
_NO_PARENT = 2**31 - 1
# Brackets and "<" have a meaning in XGBoost's own formats and are refused in names.
_NAMES = str.maketrans({"[": "(", "]": ")", "<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}"})


def to_xgboost(ensemble: Ensemble) -> dict[str, Any]:
    """Return the ensemble as XGBoost's JSON model (``binary:logistic``, numeric splits only).

    Parameters
    ----------
    ensemble : Ensemble
        Any ensemble.

    Returns
    -------
    dict
        For :func:`json.dumps`; :func:`from_xgboost` reads it.
    """
    # Without a tree the start value still needs one to stand in.
    trees = ensemble.trees or (_stump(),)
    width = ensemble.trees_per_round if ensemble.trees else 1
    n_columns = str(len(ensemble.bins.names))
    model = {
        "gbtree_model_param": {"num_parallel_tree": str(width), "num_trees": str(len(trees))},
        "iteration_indptr": list(range(0, len(trees) + 1, width)),
        "tree_info": [0] * len(trees),
        "trees": [
            _tree(ensemble, tree, k, ensemble.base if k == 0 else 0) for k, tree in enumerate(trees)
        ],
    }
    return {
        "learner": {
            "attributes": {_ATTRIBUTE: json.dumps(_about(ensemble), ensure_ascii=False)},
            "feature_names": [name.translate(_NAMES) for name in ensemble.bins.names],
            "feature_types": ["float"] * len(ensemble.bins.names),
            "gradient_booster": {"model": model, "name": "gbtree"},
            "learner_model_param": {
                "base_score": "5E-1",
                "boost_from_average": "0",
                "num_class": "0",
                "num_feature": n_columns,
                "num_target": "1",
            },
            "objective": {
                "name": "binary:logistic",
                "reg_loss_param": {"scale_pos_weight": "1"},
            },
        },
        "version": [2, 1, 0],
    }


def from_xgboost(body: Mapping[str, Any]) -> Ensemble:
    """Read what :func:`to_xgboost` wrote.

    Raises
    ------
    ArtefactError
        If it is no such model, or was changed so that its trees do not fit its cuts.
    """
    try:
        learner = body["learner"]
        about = json.loads(learner["attributes"][_ATTRIBUTE])
        if about["format"] != _FORMAT:
            raise ArtefactError(
                f"Format {about['format']} of trees is not known to this version, which reads"
                f" format {_FORMAT}; install the version that wrote it."
            )
        bins = Bins.of(about["cuts"])
        stored = learner["gradient_booster"]["model"]["trees"]
        base = int(about["base"])
        trees = tuple(
            _read_tree(bins, tree, more, base if k == 0 else 0)
            for k, (tree, more) in enumerate(zip(stored, about["trees"], strict=False))
        )
        if len(trees) != len(about["trees"]):
            raise ValueError("some trees are missing")
        Trees.of([tree.rows for tree in trees]).check(bins.last_bins)
        return Ensemble(bins, base, trees, int(about["trees_per_round"]))
    except ArtefactError:
        raise
    except (FedCreditError, AttributeError, LookupError, TypeError, ValueError) as error:
        reason = str(error).rstrip(".")
        raise ArtefactError(f"Not an ensemble of trees: {reason}; restore the file.") from None


def _about(ensemble: Ensemble) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "base": ensemble.base,
        "trees_per_round": ensemble.trees_per_round,
        "cuts": ensemble.bins.to_dict(),
        "trees": [
            {"loans": tree.loans.tolist(), "gradients": tree.gradients.tolist()}
            for tree in ensemble.trees
        ],
    }


def _tree(ensemble: Ensemble, tree: Tree, number: int, base: int) -> dict[str, Any]:
    rows, inner = tree.rows, tree.inner
    n = len(rows)
    leaves = np.where(inner, 0.0, (rows[:, VALUE].astype(np.int64) + base) * MARGIN_UNIT)
    parents = np.full(n, _NO_PARENT)
    at = np.flatnonzero(inner)
    left = rows[at, LEFT]
    parents[left] = parents[left + 1] = at
    return {
        "base_weights": leaves.tolist(),
        "categories": [],
        "categories_nodes": [],
        "categories_segments": [],
        "categories_sizes": [],
        "default_left": (rows[:, MISSING_LEFT] * inner).tolist(),
        "id": number,
        "left_children": np.where(inner, rows[:, LEFT], -1).tolist(),
        "loss_changes": tree.gains.tolist(),
        "parents": parents.tolist(),
        "right_children": np.where(inner, rows[:, LEFT] + 1, -1).tolist(),
        "split_conditions": np.where(inner, _shortest(ensemble.thresholds(tree)), leaves).tolist(),
        "split_indices": np.where(inner, rows[:, FEATURE], 0).tolist(),
        "split_type": [0] * n,
        "sum_hessian": np.ldexp(tree.hessians.astype(float), -GRADIENT_BITS).tolist(),
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(len(ensemble.bins.names)),
            "num_nodes": str(n),
            "size_leaf_vector": "1",
        },
    }


def _read_tree(bins: Bins, stored: Mapping[str, Any], more: Mapping[str, Any], base: int) -> Tree:
    left = np.array(stored["left_children"], np.int64)
    inner = left >= 0
    conditions = np.array(stored["split_conditions"], np.float64)
    rows = np.zeros((len(left), WIDTH), np.int32)
    rows[:, FEATURE] = np.where(inner, stored["split_indices"], LEAF)
    rows[:, MISSING_LEFT] = stored["default_left"]
    rows[:, LEFT] = np.where(inner, left, 0)
    rows[:, VALUE] = np.where(inner, 0, np.rint(conditions / MARGIN_UNIT) - base)
    for at in np.flatnonzero(inner):
        cuts = bins.cuts[rows[at, FEATURE]]
        rows[at, BIN] = np.searchsorted(cuts, np.float32(conditions[at]), side="left")
    return Tree(
        rows,
        gains=np.array(stored["loss_changes"], np.float64),
        gradients=np.array(more["gradients"], np.int64),
        hessians=np.rint(np.ldexp(np.array(stored["sum_hessian"], float), GRADIENT_BITS)).astype(
            np.int64
        ),
        loans=np.array(more["loans"], np.int64),
    )


def _shortest(values: np.ndarray) -> np.ndarray:
    """Return float64 numbers that are written in the few digits that float32 needs."""
    return np.array([float(str(value)) for value in values])


def _stump() -> Tree:
    rows = np.array([[LEAF, 0, 0, 0, 0]], np.int32)
    none = np.zeros(1, np.int64)
    return Tree(rows, np.zeros(1), none, none.copy(), none.copy())
