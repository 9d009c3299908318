"""Values that have the right type and make no sense: one sentence for each."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from typing import Any

from fed_credit.config.convert import refused, shown
from fed_credit.config.decision import DecisionSpec
from fed_credit.config.names import (
    BASELINES,
    CHANNELS,
    EXACT_FAMILIES,
    FAMILIES,
    MODEL_PARAMETERS,
    STRATEGIES,
    STRATEGY_PARAMETERS,
)
from fed_credit.config.spec import (
    RuntimeKind,
    SimulationSpec,
    SplitKind,
    StrategySpec,
    Weighting,
)
from fed_credit.config.trees import TreesSpec
from fed_credit.config.validate_sources import check_sources
from fed_credit.config.validate_tracking import check_tracking
from fed_credit.data.schema import KnownAt
from fed_credit.errors import ConfigurationError, suggestion


@dataclass(frozen=True)
class _Range:
    text: str
    holds: Callable[[float], bool]


def _at_least(low: int) -> _Range:
    return _Range(f"at least {low}", lambda value: value >= low)


_POSITIVE = _Range("above 0", lambda value: value > 0)
_NOT_NEGATIVE = _Range("0 or more", lambda value: value >= 0)
_INSIDE_UNIT = _Range("above 0 and below 1", lambda value: 0 < value < 1)

# The generator's own knobs are checked where they are explained, in fed_credit.data.synthetic.
_RANGES = {
    "seed": _NOT_NEGATIVE,
    "data.min_loans": _at_least(1),
    "data.max_rejected_share": _Range("from 0 to 1", lambda value: 0 <= value <= 1),
    "data.target.window_months": _at_least(1),
    "data.partition.num_parts": _at_least(1),
    "data.partition.alpha": _POSITIVE,
    "data.split.test_share": _INSIDE_UNIT,
    "data.split.validation_share": _INSIDE_UNIT,
    "federation.num_institutions": _at_least(1),
    "federation.num_rounds": _at_least(1),
    "federation.local_epochs": _at_least(1),
    "federation.fraction": _Range("above 0 and at most 1", lambda value: 0 < value <= 1),
    "federation.quorum": _Range("above 0 and at most 1", lambda value: 0 < value <= 1),
    "federation.round_timeout_s": _POSITIVE,
    "federation.join_timeout_s": _POSITIVE,
    "preprocessing.clip_quantile": _Range("from 0 to below 0.5", lambda value: 0 <= value < 0.5),
    "preprocessing.rare_share": _Range("from 0 to below 1", lambda value: 0 <= value < 1),
    "model.dropout": _Range("from 0 to below 1", lambda value: 0 <= value < 1),
    "model.learning_rate": _POSITIVE,
    "model.weight_decay": _NOT_NEGATIVE,
    "model.batch_size": _at_least(1),
    "model.cuts.max_bins": _Range("from 2 to 1000", lambda value: 2 <= value <= 1000),
    "model.cuts.rank_tolerance": _Range("from 0 to below 1", lambda value: 0 <= value < 1),
    "model.cuts.min_cell": _at_least(1),
    "model.binning.max_classes": _at_least(2),
    "model.binning.min_share": _Range("from 0 to below 0.5", lambda value: 0 <= value < 0.5),
    "model.binning.min_goods": _NOT_NEGATIVE,
    "model.binning.min_bads": _NOT_NEGATIVE,
    "model.binning.min_cell": _at_least(1),
    "model.binning.rare_share": _Range("from 0 to below 1", lambda value: 0 <= value < 1),
    "model.binning.max_p_value": _Range("above 0 and at most 1", lambda value: 0 < value <= 1),
    "model.binning.smoothing": _POSITIVE,
    "model.selection.min_iv": _NOT_NEGATIVE,
    "model.selection.max_iv": _POSITIVE,
    "model.selection.max_correlation": _Range("above 0 and at most 1", lambda v: 0 < v <= 1),
    "model.selection.max_vif": _at_least(1),
    "model.newton.l2": _NOT_NEGATIVE,
    "model.newton.tolerance": _POSITIVE,
    "model.newton.max_iterations": _at_least(1),
    "model.newton.confidence": _INSIDE_UNIT,
    "model.points.pdo": _POSITIVE,
    "model.points.base_odds": _POSITIVE,
    "model.rating.pd_floor": _Range("from 0 to below 1", lambda value: 0 <= value < 1),
    "model.trees.trees_per_round": _at_least(1),
    "model.trees.max_depth": _Range("from 1 to 12", lambda value: 1 <= value <= 12),
    "model.trees.learning_rate": _Range("above 0 and at most 1", lambda value: 0 < value <= 1),
    "model.trees.l2": _NOT_NEGATIVE,
    "model.trees.min_gain": _NOT_NEGATIVE,
    "model.trees.min_child_weight": _NOT_NEGATIVE,
    "model.trees.min_child_loans": _at_least(1),
    "model.trees.row_share": _Range("above 0 and at most 1", lambda value: 0 < value <= 1),
    "model.trees.column_share": _Range("above 0 and at most 1", lambda value: 0 < value <= 1),
    "model.trees.patience": _NOT_NEGATIVE,
    "model.trees.categories_apart": _NOT_NEGATIVE,
    "model.trees.rare_share": _Range("from 0 to below 1", lambda value: 0 <= value < 1),
    "strategy.proximal_mu": _NOT_NEGATIVE,
    "strategy.server_learning_rate": _POSITIVE,
    "strategy.server_momentum": _Range("from 0 to below 1", lambda value: 0 <= value < 1),
    "strategy.eta": _POSITIVE,
    "strategy.beta_1": _Range("from 0 to below 1", lambda value: 0 <= value < 1),
    "strategy.beta_2": _Range("from 0 to below 1", lambda value: 0 <= value < 1),
    "strategy.tau": _POSITIVE,
    "runtime.torch_threads": _at_least(1),
    "runtime.num_cpus": _POSITIVE,
    "runtime.max_cpus": _at_least(1),
    "tracking.timeout_s": _POSITIVE,
    "decision.calibration.min_bads": _at_least(1),
    "decision.calibration.long_run_default_rate": _INSIDE_UNIT,
    "decision.calibration.floor": _Range("from 0 to below 1", lambda value: 0 <= value < 1),
    "decision.approve_below": _Range("from 0 to 1", lambda value: 0 <= value <= 1),
    "decision.decline_from": _Range("from 0 to 1", lambda value: 0 <= value <= 1),
    "decision.reasons": _NOT_NEGATIVE,
    "decision.points.pdo": _POSITIVE,
    "decision.points.base_odds": _POSITIVE,
    "evaluation.repeats": _at_least(1),
    "evaluation.confidence": _INSIDE_UNIT,
    "evaluation.min_bads": _at_least(1),
    "evaluation.histogram_bins": _at_least(2),
    "evaluation.calibration_bins": _at_least(2),
    "evaluation.profit.gain_good": _NOT_NEGATIVE,
    "evaluation.profit.loss_bad": _NOT_NEGATIVE,
}
_DATES = ("data.approved_from", "data.target.as_of", "data.split.test_from")


def check(spec: SimulationSpec) -> None:
    """Refuse a configuration whose values cannot work, alone or together.

    Parameters
    ----------
    spec : SimulationSpec
        With values of the right types.

    Raises
    ------
    ConfigurationError
        For the first such value; names its key, the value and what would do.
    """
    values = dict(_leaves(spec, ""))
    for key, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise refused(key, value, "it must be a finite number")
    for key, allowed in _RANGES.items():
        value = values.get(key)  # none of a section that the model does not use
        if value is not None and not allowed.holds(value):
            raise refused(key, value, f"it must be {allowed.text}")
    for key in _DATES:
        if values[key] is not None and not _is_day(values[key]):
            raise refused(key, values[key], "spell the date YYYY-MM-DD")
    if not spec.run_dir:
        raise ConfigurationError("run_dir is empty; set run_dir=FOLDER.")
    _check_data(spec)
    _check_model(spec)
    _check_evaluation(spec)
    _check_decision(spec.decision)
    _one_of("privacy.channel", spec.privacy.channel, CHANNELS)
    check_tracking(spec.tracking)
    runtime = spec.runtime
    if runtime.kind is RuntimeKind.SIMULATION and runtime.num_cpus > runtime.max_cpus:
        raise refused(
            "runtime.num_cpus",
            runtime.num_cpus,
            f"one bank would need more than all runtime.max_cpus={runtime.max_cpus}",
        )


def _check_data(spec: SimulationSpec) -> None:
    data, split = spec.data, spec.data.split
    if data.decision_point is KnownAt.OUTCOME:
        raise refused(
            "data.decision_point",
            data.decision_point,
            "a model that decides when the outcome is known predicts nothing; choose application"
            " or booking",
        )
    check_sources(data)
    if not data.schema:
        raise ConfigurationError(
            f"data={data.source} needs data.schema=SCHEMA, the YAML file that describes its"
            " columns."
        )
    for name in data.exclude_fields:
        for key in ("features", "allow_late_fields"):
            if name in getattr(data, key):
                raise ConfigurationError(
                    f"data.exclude_fields leaves '{name}' out, but data.{key} asks for it; drop it"
                    " from one of them."
                )
    if split.kind is SplitKind.RANDOM and split.test_from is not None:
        raise refused(
            "data.split.test_from",
            split.test_from,
            "a random split has no such date; add data.split.kind=out_of_time",
        )
    if split.kind is SplitKind.RANDOM and split.test_share + split.validation_share >= 1:
        raise ConfigurationError(
            f"data.split.test_share={split.test_share} and"
            f" data.split.validation_share={split.validation_share} leave no loans for training:"
            " their sum must be below 1."
        )


def check_model_parameters(values: Mapping[str, Any]) -> None:
    """Refuse a parameter of a model that its family does not have, before types are looked at.

    Parameters
    ----------
    values : mapping of str to object
        The configuration's plain values.

    Raises
    ------
    ConfigurationError
        Names the key and the family.
    """
    model = values.get("model")
    if not isinstance(model, Mapping):
        return
    family = model.get("family")
    if family not in MODEL_PARAMETERS:
        return
    own = MODEL_PARAMETERS[family]
    for name in sorted({name for names in MODEL_PARAMETERS.values() for name in names} - set(own)):
        if (value := model.get(name)) is not None:
            key, value = _first_leaf(f"model.{name}", value)
            raise refused(
                key,
                value,
                f"a model of the family {family} has no such parameter; choose the model by its"
                " name, as in model=gbdt",
            )


def _first_leaf(key: str, value: Any) -> tuple[str, Any]:
    while isinstance(value, Mapping) and value:
        name, value = next(iter(value.items()))
        key = f"{key}.{name}"
    return key, value


def _check_model(spec: SimulationSpec) -> None:
    model = spec.model
    _one_of("model.family", model.family, FAMILIES)
    for name in MODEL_PARAMETERS[model.family]:
        if getattr(model, name) is None:
            raise ConfigurationError(f"model.family={model.family} needs model.{name}; set it.")
    _check_strategy(spec.strategy)
    if any(units < 1 for units in model.hidden or ()):
        raise refused(
            "model.hidden",
            model.hidden,
            "each hidden layer needs at least 1 unit; [] is a logistic regression",
        )
    if model.family in EXACT_FAMILIES:
        _check_exact(spec)
    if model.rating is not None:
        _check_grades("model.rating.grades", model.rating.grades)
    if model.trees is not None:
        if model.family == "tree":
            _check_single(model.trees)
        for name, sign in model.trees.monotone.items():
            if sign not in (-1, 1):
                raise refused(f"model.trees.monotone.{name}", sign, "it must be 1 or -1")
        if model.trees.subtract_siblings and spec.federation.quorum < 1:
            raise refused(
                "model.trees.subtract_siblings",
                True,
                f"federation.quorum={spec.federation.quorum} lets banks drop out between two"
                " exchanges; set one of them otherwise",
            )


def _check_grades(key: str, grades: Mapping[str, float]) -> None:
    limits = list(grades.values())
    rising = all(low < high for low, high in zip([0.0, *limits], limits, strict=False))
    if not limits or not rising or limits[-1] != 1.0:
        raise refused(key, grades, "the upper limits of the PD have to rise from above 0 to 1")


def _check_decision(decision: DecisionSpec) -> None:
    _check_grades("decision.grades", decision.grades)
    approve, decline = decision.approve_below, decision.decline_from
    if approve is not None and decline is not None and decline < approve:
        raise refused(
            "decision.decline_from",
            decline,
            f"it lies below decision.approve_below={approve}, and what is approved cannot be"
            " declined",
        )


def _check_single(trees: TreesSpec) -> None:
    """Refuse for one tree what only makes sense for several."""
    wanted: dict[str, float] = {
        "trees_per_round": 1,
        "learning_rate": 1.0,
        "row_share": 1.0,
        "column_share": 1.0,
        "patience": 0,
    }
    for name, value in wanted.items():
        given = getattr(trees, name)
        if given != value:
            raise refused(
                f"model.trees.{name}",
                given,
                f"a single tree is grown in one step on all loans and columns; leave it at"
                f" {shown(value)}, or choose model=gbdt",
            )


def _check_exact(spec: SimulationSpec) -> None:
    """Refuse what says how weights are averaged: the model follows from sums over all loans."""
    family, strategy = spec.model.family, spec.strategy
    why = f"a model of the family {family} is made of sums over all loans of all banks"
    if strategy.name != "fedavg":
        raise refused("strategy.name", strategy.name, f"{why}; leave it at fedavg")
    if strategy.weighting is not Weighting.LOANS:
        raise refused("strategy.weighting", strategy.weighting.value, f"{why}; leave it at loans")
    if spec.federation.fraction < 1:
        raise refused("federation.fraction", spec.federation.fraction, f"{why}; leave it at 1")


def _check_strategy(strategy: StrategySpec) -> None:
    _one_of("strategy.name", strategy.name, STRATEGIES)
    needed = STRATEGY_PARAMETERS[strategy.name]
    for name in sorted({name for names in STRATEGY_PARAMETERS.values() for name in names}):
        value = getattr(strategy, name)
        if value is None and name in needed:
            raise ConfigurationError(f"strategy={strategy.name} needs strategy.{name}; set it.")
        if value is not None and name not in needed:
            raise refused(
                f"strategy.{name}", value, f"strategy={strategy.name} has no such parameter"
            )


def _check_evaluation(spec: SimulationSpec) -> None:
    baselines = spec.evaluation.baselines
    for name in baselines:
        _one_of("evaluation.baselines", name, BASELINES)
    if len(set(baselines)) < len(baselines):
        raise refused("evaluation.baselines", baselines, "name each baseline once")


def _one_of(key: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise ConfigurationError(
            f"{key}={shown(name)} is not known: choose one of {', '.join(known)}."
            f"{suggestion(name, known)}"
        )


def _is_day(text: str) -> bool:
    # date.fromisoformat takes 20240131 and 2024-W05-3 too.
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _leaves(section: Any, within: str) -> Iterator[tuple[str, Any]]:
    for item in fields(section):
        value = getattr(section, item.name)
        if is_dataclass(value):
            yield from _leaves(value, f"{within}{item.name}.")
        else:
            yield f"{within}{item.name}", value
