"""Questions of a malicious operator: a bank refuses what no run of its settings leads to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict

from clients.adapter import ERROR_REFUSED, make_client_app
from clients.bank import Bank
from clients.gate import Gate
from fed_credit.config.bank import PolicySpec
from fed_credit.config.scorecard import PointsSpec, Trend
from fed_credit.data.book import Part
from fed_credit.data.schema import Kind
from fed_credit.features.bins import NUM_BINS, ZERO_BIN, bin_index
from fed_credit.features.cuts import DetailsQuestion, HistogramQuestion, PartsQuestion
from fed_credit.features.fine_bins import FineBins
from fed_credit.features.preprocessor import Preprocessor
from fed_credit.features.questions import FrameQuestion
from fed_credit.features.steps import BooleanStep, NumericStep
from fed_credit.models.likelihood import LikelihoodQuestion
from fed_credit.models.moments import CrossProductsQuestion
from fed_credit.runtime.local import InProcessGrid
from fed_credit.scorecard.binning import Binning, CoarseClass
from fed_credit.scorecard.calibration import ScoreCountsQuestion
from fed_credit.scorecard.counts import ClassCountsQuestion
from fed_credit.scorecard.drift import DriftQuestion
from fed_credit.scorecard.fit import WoeDesign
from fed_credit.scorecard.messages import write_message
from fed_credit.scorecard.points import Characteristic, Scorecard
from fed_credit.training.questions import PreparedDesign, write_columns, write_design
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.seeds import keyed_seed
from fed_credit.training.task import ARRAYS, CONFIG, Task, TaskConfig
from fed_credit.trees.columns import Column, Columns
from fed_credit.trees.nodes import Trees
from fed_credit.trees.request import Request

NODE = 5
NUMBER = "turnover"
LEAF = [-1, 0, 0, 0, 0]


class Deployed:
    """One bank behind its gate."""

    def __init__(self, loans: Bank, home: Path, limits: PolicySpec) -> None:
        self.loans, self.home, self.limits = loans, home, limits

    def gate(self, context: Context) -> Gate:
        return Gate.at(self.home, self.limits)

    def name(self, context: Context) -> str:
        return self.loans.name

    def bank(self, context: Context, spec: RunSpec) -> Bank:
        return self.loans

    def ask(self, task: Task, config: TaskConfig) -> Message:
        grid = InProcessGrid(make_client_app(self), {NODE: {}})
        record = ArrayRecord(list(config.arrays))
        content = RecordDict({ARRAYS: record, CONFIG: ConfigRecord(config.to_config())})
        message = Message(content, dst_node_id=NODE, message_type=f"train.{task}")
        (reply,) = grid.send_and_receive([message])
        return reply

    def refusal(self, task: Task, config: TaskConfig) -> str:
        reply = self.ask(task, config)
        assert reply.has_error() and reply.error.code == ERROR_REFUSED
        return str(reply.error.reason)

    def answers(self, task: Task, config: TaskConfig) -> bool:
        return not self.ask(task, config).has_error()


@pytest.fixture
def bank(banks: list[Bank], tmp_path: Path, limits: PolicySpec) -> Deployed:
    return Deployed(banks[0], tmp_path, limits)


@pytest.fixture
def card_run(make_run_spec: Callable[..., RunSpec]) -> RunSpec:
    return make_run_spec("model=scorecard")


@pytest.fixture
def cells(card_run: RunSpec) -> Callable[[FrameQuestion], TaskConfig]:
    return lambda asked: TaskConfig(card_run, part=Part.TRAIN, question=write_message(asked))


def fine(run: RunSpec, cuts: Sequence[float] = (), specials: Sequence[float] = ()) -> FineBins:
    (feature,) = (one for one in run.features if one.name == NUMBER)
    return FineBins(feature, tuple(cuts), tuple(specials))


def binning(bins: FineBins, *classes: Sequence[int], woe: float = 0.5, goods: Any = 9) -> Binning:
    made = tuple(CoarseClass(tuple(codes), goods, 1, woe, 0.1) for codes in classes)
    return Binning(bins, made, Trend.NONE, 0)


def card(binned: Binning, *points: int) -> Scorecard:
    scaling = PointsSpec(pdo=20, base_score=600, base_odds=50, spread_base=True)
    return Scorecard((Characteristic(binned, -1.0, points, 0),), -2.0, 0, scaling)


def test_specials_are_those_of_the_run(
    bank: Deployed, card_run: RunSpec, cells: Callable[[FrameQuestion], TaskConfig]
) -> None:
    assert bank.answers(Task.CELLS, cells(HistogramQuestion((NUMBER,), {})))
    # A histogram with one value left out tells, by its difference, how many loans hold that value.
    for values in ((1234.5,), (float("nan"),)):
        asked = cells(HistogramQuestion((NUMBER,), {NUMBER: values}))
        assert "special values" in bank.refusal(Task.CELLS, asked)
        counts = cells(ClassCountsQuestion((fine(card_run, (10.0,), values),)))
        assert "special values" in bank.refusal(Task.CELLS, counts)


def test_a_histogram_is_of_numbers_and_of_each_feature_once(
    bank: Deployed, card_run: RunSpec, cells: Callable[[FrameQuestion], TaskConfig]
) -> None:
    twice = cells(HistogramQuestion((NUMBER, NUMBER), {}))
    assert "twice" in bank.refusal(Task.CELLS, twice)
    listed = next(one.name for one in card_run.features if one.kind is Kind.CATEGORICAL)
    assert "no numbers" in bank.refusal(Task.CELLS, cells(HistogramQuestion((listed,), {})))


def test_parts_and_details_are_few_and_lie_in_bins(
    bank: Deployed, card_run: RunSpec, cells: Callable[[FrameQuestion], TaskConfig]
) -> None:
    cuts = card_run.model.cuts
    assert cuts is not None
    first = int(bin_index(np.array([1.0]))[0])
    honest = tuple(range(first, first + cuts.max_bins))
    assert bank.answers(Task.CELLS, cells(PartsQuestion({NUMBER: honest}, {})))
    assert bank.answers(Task.CELLS, cells(DetailsQuestion({NUMBER: ((first, 255),)}, {})))
    for bins in ((*honest, honest[-1] + 1), (), (first + 1, first), (first, first), (NUM_BINS,)):
        bank.refusal(Task.CELLS, cells(PartsQuestion({NUMBER: bins}, {})))
    for index in (-1, 0, ZERO_BIN, ZERO_BIN + 1, NUM_BINS - 1):
        bank.refusal(Task.CELLS, cells(PartsQuestion({NUMBER: (index,)}, {})))
        bank.refusal(Task.CELLS, cells(DetailsQuestion({NUMBER: ((index, 0),)}, {})))
    many = tuple((first, part) for part in range(cuts.max_bins + 1))
    assert "more parts" in bank.refusal(Task.CELLS, cells(DetailsQuestion({NUMBER: many}, {})))
    for part in (-1, 256):
        bank.refusal(Task.CELLS, cells(DetailsQuestion({NUMBER: ((first, part),)}, {})))


def test_cuts_are_few_finite_and_rise(
    bank: Deployed, card_run: RunSpec, cells: Callable[[FrameQuestion], TaskConfig]
) -> None:
    def asked(*cuts: float) -> TaskConfig:
        return cells(ClassCountsQuestion((fine(card_run, cuts),)))

    assert bank.answers(Task.CELLS, asked(1.0, 2.0))
    for cuts in ((2.0, 1.0), (1.0, 1.0), (float("nan"),), (float("inf"),), (1e300,)):
        assert "do not rise" in bank.refusal(Task.CELLS, asked(*cuts))
    assert "max_bins" in bank.refusal(Task.CELLS, asked(*map(float, range(20))))
    # The run's settings are the operator's too.
    assert card_run.model.cuts is not None
    wide = replace(card_run.model, cuts=replace(card_run.model.cuts, max_bins=10**9))
    many = replace(asked(*map(float, range(1000))), spec=replace(card_run, model=wide))
    assert "max_bins" in bank.refusal(Task.CELLS, many)


def test_classes_are_made_of_the_bins(
    bank: Deployed, card_run: RunSpec, cells: Callable[[FrameQuestion], TaskConfig]
) -> None:
    bins = fine(card_run, (100.0,))
    assert bank.answers(Task.CELLS, cells(DriftQuestion((binning(bins, (0,), (1, 2)),))))
    for wrong in (
        binning(bins),
        binning(bins, (0,), (0, 1, 2)),
        binning(bins, (0, 1, 3)),
        binning(bins, (-1, 0)),
        binning(bins, (0, 1), woe=float("nan")),
        binning(bins, (0, 1), woe=1e9),
        binning(bins, (0, 1), goods=-1),
        binning(bins, (0, 1), goods="9"),
        replace(binning(bins, (0, 1)), neutral=1),
    ):
        assert "classes that are none" in bank.refusal(Task.CELLS, cells(DriftQuestion((wrong,))))
    twice = cells(DriftQuestion((binning(bins, (0, 1, 2)),) * 2))
    assert "several times" in bank.refusal(Task.CELLS, twice)


def test_scores_do_not_tell_classes_of_many_features(
    bank: Deployed, card_run: RunSpec, cells: Callable[[FrameQuestion], TaskConfig]
) -> None:
    binned = binning(fine(card_run, (100.0,)), (0,), (1, 2))
    assert bank.answers(Task.CELLS, cells(ScoreCountsQuestion(card(binned, 0, 300))))
    for points, why in (
        ((0, 100_000), "at most 2,000"),
        ((0, -(10**7)), "policy."),
        ((0,), "other classes"),
    ):
        asked = cells(ScoreCountsQuestion(card(binned, *points)))
        assert why in bank.refusal(Task.CELLS, asked)
    far = cells(ScoreCountsQuestion(card(binned, 10**30, 10**30 + 1)))
    assert "too many points" in bank.refusal(Task.CELLS, far)


def test_a_matrix_has_the_ranges_of_its_design(bank: Deployed, card_run: RunSpec) -> None:
    design = WoeDesign((binning(fine(card_run, (100.0,)), (0,), (1, 2)),))

    def asked(task: Task, question: Any, made: WoeDesign = design) -> TaskConfig:
        text, of = write_message(question), write_message(made)
        return TaskConfig(card_run, part=Part.TRAIN, question=text, design=of)

    fitting = asked(Task.PRODUCTS, CrossProductsQuestion(design.exponents))
    assert bank.answers(Task.PRODUCTS, fitting)
    for exponents in ((-5,), (), (0, 0), (10**30,)):
        wrong = asked(Task.PRODUCTS, CrossProductsQuestion(exponents))
        assert "ranges" in bank.refusal(Task.PRODUCTS, wrong)
    for coefficients in ((0.0,), (0.0, float("nan")), (0.0, float("inf")), (0.0, 1e300)):
        question = LikelihoodQuestion(coefficients, design.exponents)
        refused = bank.refusal(Task.LIKELIHOOD, asked(Task.LIKELIHOOD, question))
        assert "coefficients" in refused
    twice = WoeDesign(design.binnings * 2)
    forged = asked(Task.PRODUCTS, CrossProductsQuestion(twice.exponents), twice)
    assert "several times" in bank.refusal(Task.PRODUCTS, forged)


def test_a_preprocessor_has_numbers_that_a_fit_gives(
    bank: Deployed, make_run_spec: Callable[..., RunSpec], pooled_preprocessor: Preprocessor
) -> None:
    run = make_run_spec("model=logreg_exact")
    steps = list(pooled_preprocessor.steps)
    k = next(k for k, step in enumerate(steps) if isinstance(step, NumericStep))
    number = steps[k]
    assert isinstance(number, NumericStep)
    boolean = BooleanStep(number.feature, 0.5, False)
    for wrong in (
        replace(number, scale=0.0),
        replace(number, scale=-1.0),
        replace(number, mean=float("nan")),
        replace(number, high=float("inf")),
        replace(number, low=number.high + 1.0),
        replace(number, indicator="yes"),  # type: ignore[arg-type]
        boolean,
    ):
        forged = PreparedDesign(Preprocessor((*steps[:k], wrong, *steps[k + 1 :])))
        question = write_message(LikelihoodQuestion((0.0,), ()))
        asked = TaskConfig(run, part=Part.TRAIN, question=question, design=write_design(forged))
        assert "no fit gives" in bank.refusal(Task.LIKELIHOOD, asked)


@pytest.fixture
def trees(make_run_spec: Callable[..., RunSpec]) -> Callable[..., TaskConfig]:
    """Make a request over one column, growing one tree."""
    run = make_run_spec("model=gbdt")
    one = Columns((Column(NUMBER, fine(run, (10.0, 100.0))),))

    def make(
        tree: Sequence[Sequence[int]] = (LEAF,),
        nodes: Sequence[int] = (0,),
        columns: Columns = one,
        growing: int = 1,
        **settings: Any,
    ) -> TaskConfig:
        trees_spec = run.model.boosting[1]
        base: dict[str, Any] = {
            "round": 0,
            "seed": keyed_seed(run.seed, "trees"),
            "row_share": trees_spec.row_share,
            "bad_weight": 1.0,
            "base": 0,
            "offset": 0,
            "scored": False,
        }
        request = Request(
            **base,
            finished=Trees.of([]),
            growing=Trees.of([np.array(tree, np.int32)] * growing),
            columns=(np.zeros(1, np.int32),) * growing,
            nodes=(np.array(nodes, np.int32),) * growing,
        )
        return TaskConfig(
            run,
            number=1,
            part=Part.TRAIN,
            question=json.dumps({**base, **settings}),
            design=write_columns(columns),
            arrays=tuple(request.arrays),
        )

    return make


def test_trees_are_those_of_the_runs_settings(
    bank: Deployed, trees: Callable[..., TaskConfig]
) -> None:
    assert bank.answers(Task.TREES, trees())
    assert bank.answers(Task.TREES, trees([[0, 0, 0, 1, 0], LEAF, LEAF], (1, 2)))
    assert "levels" in bank.refusal(Task.TREES, trees(growing=50))
    assert "levels" in bank.refusal(Task.TREES, trees(round=10**9))
    assert "samples" in bank.refusal(Task.TREES, trees(seed=1))
    assert "samples" in bank.refusal(Task.TREES, trees(row_share=0.01))
    for name, value in (("round", "0"), ("seed", 1.5), ("base", 1e999), ("row_share", True)):
        assert "none that this version" in bank.refusal(Task.TREES, trees(**{name: value}))
    # A path of conditions that is longer than the run's trees are deep.
    deep: list[list[int]] = []
    for k in range(13):
        deep += [[0, 0, 0, 2 * k + 1, 0], LEAF]
    path = [deep[0], *(row for k in range(1, 13) for row in (deep[2 * k], LEAF)), LEAF, LEAF]
    for k, row in enumerate(row for row in path if row[0] == 0):
        row[3] = 2 * k + 1
    assert "levels" in bank.refusal(Task.TREES, trees(path, (len(path) - 1,)))
    # Two parents with the same children.
    shared = [[0, 0, 0, 1, 0], [0, 0, 0, 3, 0], [0, 0, 0, 3, 0], LEAF, LEAF]
    assert "no tree" in bank.refusal(Task.TREES, trees(shared, (3,)))


def test_columns_of_trees_are_of_the_runs_features(
    bank: Deployed, trees: Callable[..., TaskConfig], make_run_spec: Callable[..., RunSpec]
) -> None:
    run = make_run_spec("model=gbdt")
    assert run.model.cuts is not None
    listed = FineBins(next(one for one in run.features if one.kind is Kind.CATEGORICAL))
    levels = tuple(float(k == 1) for k in range(listed.size))
    number = fine(run, (10.0,))
    assert bank.answers(Task.TREES, trees(columns=Columns((Column("a", listed, levels),))))
    for wrong in (
        (Column("a", number), Column("b", fine(run, (11.0,)))),
        (Column("a", number, (0.0, 1.0, None)),),
        (Column("a", listed, levels[1:]),),
        (Column("a", listed, (1e30, *levels[1:])),),
        (Column("a", replace(listed, cuts=(1.0,)), levels),),
        (Column("a", fine(run, [float(k) for k in range(run.model.cuts.max_bins)])),),
        tuple(Column(str(k), listed, levels) for k in range(listed.size + 1)),
    ):
        refused = bank.refusal(Task.TREES, trees(columns=Columns(wrong)))
        assert "no run of these settings" in refused
