"""Boosted trees and single trees: common cuts first, then one exchange per level of a tree."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from fed_credit.config.spec import ModelSpec
from fed_credit.data.schema import Kind
from fed_credit.errors import ConfigurationError, suggestion
from fed_credit.families.protocol import Banks, files_sha256, json_bytes
from fed_credit.features.cuts import common_bins
from fed_credit.features.spec import FeatureSpec
from fed_credit.files import plain
from fed_credit.scorecard.counts import ClassCountsQuestion
from fed_credit.training.predict import class_weight
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.seeds import keyed_seed
from fed_credit.training.state import ExactState, RoundMetrics
from fed_credit.trees.columns import Columns, tree_columns
from fed_credit.trees.ensemble import Ensemble, Tree
from fed_credit.trees.grow import Grower, RoundLoss
from fed_credit.trees.spec import LARGEST_BAD_WEIGHT, BoostingSpec
from fed_credit.trees.tree import DecisionTree, single_tree
from fed_credit.trees.xgboost_json import from_xgboost, to_xgboost

MODEL, COLUMNS, HISTORY, RULES = "model.xgb.json", "columns.json", "history.json", "tree.txt"
_SINGLE = "tree"
_PARTS = ("rows", "gains", "gradients", "hessians", "loans")


@dataclass(frozen=True)
class TreesModel:
    """Grown trees.

    Parameters
    ----------
    family : str
        ``gbdt`` or ``tree``.
    made_of : Columns
        From a loan's fields to columns.
    ensemble : Ensemble
        The trees of the best rounds.
    losses : tuple of RoundLoss
        By round, also of those that are not kept.
    """

    family: str
    made_of: Columns
    ensemble: Ensemble
    losses: tuple[RoundLoss, ...]

    @property
    def features(self) -> list[FeatureSpec]:
        """What it looks at."""
        return list(dict.fromkeys(column.fine.feature for column in self.made_of.columns))

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the trees may look at."""
        return self.ensemble.bins.names

    @property
    def constant(self) -> tuple[str, ...]:
        """Features whose columns have no cut."""
        return tuple(
            column.fine.feature.name for column in self.made_of.columns if not len(column.cuts)
        )

    @cached_property
    def sha256(self) -> str:
        """Hash of the artefact's files."""
        return files_sha256(self.files)

    @property
    def preparation_sha256(self) -> str:
        """Hash of the columns."""
        return files_sha256({COLUMNS: self.files[COLUMNS]})

    @property
    def settings(self) -> dict[str, Any]:
        """See :class:`~fed_credit.families.protocol.Model`."""
        return {}

    @cached_property
    def files(self) -> dict[str, bytes]:
        """Trees in XGBoost's JSON, columns and losses; of a single tree also its rules as text."""
        text = json.dumps(to_xgboost(self.ensemble), ensure_ascii=False)
        files = {
            MODEL: text.encode(),
            COLUMNS: json_bytes(self.made_of.to_list()),
            HISTORY: json_bytes(plain([asdict(loss) for loss in self.losses])),
        }
        if self._readable is not None:
            files[RULES] = (self._readable.text() + "\n").encode()
        return files

    @property
    def details(self) -> dict[str, Any]:
        """Importance of the columns, losses, and the rules of a single tree."""
        found: dict[str, Any] = {
            "trees": len(self.ensemble.trees),
            "leaves": sum(int((~tree.inner).sum()) for tree in self.ensemble.trees),
            "importance": {k: v for k, v in self.ensemble.importance().items() if v > 0},
            "losses": [asdict(loss) for loss in self.losses],
        }
        if self._readable is not None:
            found["rules"] = [asdict(rule) for rule in self._readable.rules()]
        return found

    def score(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the PD of loans, ``(n,) float64``."""
        return self.score_matrix(self.matrix(frame))

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the columns of the trees, ``(n, n_columns) float32``."""
        return self.made_of.matrix(frame)

    def score_matrix(self, matrix: np.ndarray) -> np.ndarray:
        """Return the PD of loans by the columns of the trees, ``(n,) float64``."""
        return self.ensemble.default_probability(matrix)

    @cached_property
    def _readable(self) -> DecisionTree | None:
        if self.family != _SINGLE or len(self.ensemble.trees) != 1:
            return None
        return DecisionTree(self.ensemble, self.made_of)

    @classmethod
    def read(cls, spec: ModelSpec, files: Mapping[str, bytes]) -> TreesModel:
        """Read :attr:`files`.

        Raises
        ------
        ArtefactError, LookupError, TypeError, ValueError
            If they are not those of such a model.
        """
        columns = Columns.from_list(json.loads(files[COLUMNS]))
        ensemble = from_xgboost(json.loads(files[MODEL]))
        if ensemble.bins.to_dict() != columns.bins.to_dict():
            raise ValueError("the trees do not fit the columns")
        losses = tuple(_read_loss(raw) for raw in json.loads(files[HISTORY]))
        return cls(spec.family, columns, ensemble, losses)


def fit_trees(
    banks: Banks, run: RunSpec, state: ExactState, after_round: Callable[[], None]
) -> TreesModel:
    """Grow trees by asking for sums.

    Parameters
    ----------
    banks : Banks
        Whom to ask.
    run : RunSpec
        Features, rounds, seed and how the trees are grown.
    state : ExactState
        Where to go on; changed in place after each round.
    after_round : callable
        Called when it was changed.

    Returns
    -------
    TreesModel
        The same, bit for bit, however the loans are divided over banks.

    Raises
    ------
    ConfigurationError
        If a monotone feature is none of the run's numeric or boolean ones.
    DataError
        If the training loans are all good or all bad.
    """
    cuts, _ = run.model.boosting
    _check_monotone(run)
    if not state.notes:
        fine = common_bins(run.features, cuts, banks.ask)
        listed = tuple(bins for bins in fine if bins.feature.kind is Kind.CATEGORICAL)
        counts = banks.ask(ClassCountsQuestion(listed))
        trees = run.model.boosting[1]
        made_of = tree_columns(fine, counts, trees.categories_apart, trees.rare_share)
        state.notes = _notes(made_of, int(counts["n"]), int(counts["n_bad"]))
    notes = json.loads(state.notes)
    if notes["loans"] is None:  # gone on from trees of other loans, see trees_to_grow_on
        counts = banks.ask(ClassCountsQuestion(()))
        notes |= {"loans": int(counts["n"]), "bads": int(counts["n_bad"])}
        state.notes = json.dumps(notes)
    columns = Columns.from_list(notes["columns"])
    grower = Grower(
        columns.bins,
        _boosting(run, notes["loans"], notes["bads"]),
        notes["loans"],
        notes["bads"],
        _read_trees(state.arrays),
        [_read_loss(raw) for raw in notes["losses"]],
        notes["base"],
    )
    while (request := grower.request()) is not None:
        finished = grower.rounds
        total = banks.ask_trees(columns, request)
        grower.take(total)
        if request.scored and grower.losses[-1].rounds:
            latest = grower.losses[-1]
            state.history.append(
                # The number of validation loans is the last but one of the sums.
                RoundMetrics(
                    latest.rounds, latest.validation, math.nan, int(total[-2]), banks.answered
                )
            )
        if grower.rounds > finished or request.scored:
            notes["losses"] = [asdict(loss) for loss in grower.losses]
            state.notes = json.dumps(notes)
            state.arrays = _written_trees(grower.trees)
            state.round, state.best_round = grower.rounds, grower.best_rounds
            if grower.rounds > finished:
                after_round()
    measured = tuple(loss for loss in grower.losses if not math.isnan(loss.fit))
    return TreesModel(run.model.family, columns, grower.ensemble, measured)


def trees_to_grow_on(model: TreesModel) -> ExactState:
    """Return where boosting goes on from a finished model on other loans.

    Its columns, cuts and trees stay, and so does its base: the first new round asks for the
    derivatives that the finished model leaves on the new loans. Their rounds count as done.

    Parameters
    ----------
    model : TreesModel
        Of the family ``gbdt``, trained without class weighting, whose correction is part of the
        base and could not be told from it.

    Returns
    -------
    ExactState
    """
    ensemble = model.ensemble
    rounds = len(ensemble.trees) // ensemble.trees_per_round
    unmeasured = [asdict(RoundLoss(k, math.nan, math.nan)) for k in range(rounds)]
    notes = {
        "columns": model.made_of.to_list(),
        "loans": None,
        "bads": None,
        "losses": plain(unmeasured),
        "base": ensemble.base,
    }
    return ExactState(
        round=rounds,
        best_round=rounds,
        notes=json.dumps(notes),
        arrays=_written_trees(list(ensemble.trees)),
    )


def _notes(columns: Columns, loans: int, bads: int) -> str:
    return json.dumps(
        {"columns": columns.to_list(), "loans": loans, "bads": bads, "losses": [], "base": None}
    )


def _boosting(run: RunSpec, loans: int, bads: int) -> BoostingSpec:
    _, trees = run.model.boosting
    bad_weight, _ = class_weight(run.model.class_weighting, loans, bads)
    spec = BoostingSpec(
        rounds=run.rounds,
        trees_per_round=trees.trees_per_round,
        max_depth=trees.max_depth,
        learning_rate=trees.learning_rate,
        l2=trees.l2,
        min_gain=trees.min_gain,
        min_child_weight=trees.min_child_weight,
        min_child_loans=trees.min_child_loans,
        row_share=trees.row_share,
        column_share=trees.column_share,
        monotone=trees.monotone,
        bad_weight=min(bad_weight, LARGEST_BAD_WEIGHT),
        bad_rates=False,
        patience=trees.patience,
        subtract_siblings=trees.subtract_siblings,
        seed=keyed_seed(run.seed, "trees"),
    )
    return single_tree(spec) if run.model.family == _SINGLE else spec


def _check_monotone(run: RunSpec) -> None:
    ordered = [f.name for f in run.features if f.kind is not Kind.CATEGORICAL]
    for name in run.model.boosting[1].monotone:
        if name not in ordered:
            raise ConfigurationError(
                f"model.trees.monotone names '{name}', which is no numeric or boolean feature of"
                f" the run; choose of {', '.join(ordered)}.{suggestion(name, ordered)}"
            )


def _written_trees(trees: list[Tree]) -> dict[str, np.ndarray]:
    if not trees:
        return {}
    sizes = np.array([len(tree.rows) for tree in trees], np.int64)
    return {
        "sizes": sizes,
        **{name: np.concatenate([getattr(tree, name) for tree in trees]) for name in _PARTS},
    }


def _read_trees(arrays: Mapping[str, np.ndarray]) -> list[Tree]:
    if not arrays:
        return []
    ends = np.cumsum(arrays["sizes"])[:-1]
    return [
        Tree(*(part.copy() for part in parts))
        for parts in zip(*(np.split(arrays[name], ends) for name in _PARTS), strict=True)
    ]


def _read_loss(raw: Mapping[str, Any]) -> RoundLoss:
    fit, validation = (
        math.nan if raw[name] is None else float(raw[name]) for name in ("fit", "validation")
    )
    return RoundLoss(int(raw["rounds"]), fit, validation)
