"""Questions of exact models at a bank: what is refused, what the ledger says, what is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict

from clients.adapter import ERROR_REFUSED, make_client_app
from clients.bank import Bank
from clients.gate import Gate
from clients.ledger import LEDGER
from clients.ledger_check import read, verify
from fed_credit.config.bank import PolicySpec
from fed_credit.data.book import Dataset, Part
from fed_credit.families.at_hand import LoansAtHand
from fed_credit.families.fit import fit_exact
from fed_credit.families.protocol import Model
from fed_credit.families.read import pack
from fed_credit.features.cuts import HistogramQuestion
from fed_credit.features.fine_bins import FineBins
from fed_credit.features.preprocessor import Preprocessor
from fed_credit.models.likelihood import LikelihoodQuestion
from fed_credit.models.moments import CrossProductsQuestion
from fed_credit.runtime.local import InProcessGrid
from fed_credit.scorecard.counts import ClassCountsQuestion
from fed_credit.scorecard.messages import write_message
from fed_credit.training.alone import Loans
from fed_credit.training.questions import PreparedDesign, write_columns, write_design
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.seeds import keyed_seed
from fed_credit.training.state import ExactState
from fed_credit.training.task import ARRAYS, CONFIG, RELEASE, Task, TaskConfig
from fed_credit.trees.columns import Columns, tree_columns
from fed_credit.trees.nodes import Trees
from fed_credit.trees.request import Request

NODE = 5
MODELS = {
    Task.CELLS: "scorecard",
    Task.PRODUCTS: "scorecard",
    Task.LIKELIHOOD: "logreg_exact",
    Task.TREES: "gbdt",
}


@dataclass
class Deployed:
    """One bank behind its gate."""

    loans: Bank
    home: Path
    limits: PolicySpec

    def gate(self, context: Context) -> Gate:
        return Gate.at(self.home, self.limits)

    def name(self, context: Context) -> str:
        return self.loans.name

    def bank(self, context: Context, spec: RunSpec) -> Bank:
        return self.loans

    def ask(
        self, task: Task, config: TaskConfig, arrays: list[np.ndarray] | None = None
    ) -> Message:
        grid = InProcessGrid(make_client_app(self), {NODE: {}})
        record = ArrayRecord(list(config.arrays) if arrays is None else arrays)
        content = RecordDict({ARRAYS: record, CONFIG: ConfigRecord(config.to_config())})
        message = Message(content, dst_node_id=NODE, message_type=f"train.{task}")
        (reply,) = grid.send_and_receive([message])
        return reply

    def refusal(self, task: Task, config: TaskConfig, **kwargs: Any) -> str:
        reply = self.ask(task, config, **kwargs)
        assert reply.has_error() and reply.error.code == ERROR_REFUSED
        assert self.lines()[-1].text == reply.error.reason
        return str(reply.error.reason)

    def lines(self) -> list[Any]:
        assert not verify(self.home / LEDGER).problems
        return list(read(self.home / LEDGER))


@pytest.fixture
def bank(banks: list[Bank], tmp_path: Path, limits: PolicySpec) -> Deployed:
    return Deployed(banks[0], tmp_path, limits)


@pytest.fixture(scope="module")
def columns(make_run_spec: Callable[..., RunSpec], dataset: Dataset) -> Columns:
    fine = [
        FineBins(f, (13.0, 60.0)) if f.name in ("turnover", "firm_age") else FineBins(f)
        for f in make_run_spec("model=gbdt").features
    ]
    question = ClassCountsQuestion(tuple(fine))
    counts = question.answer(dataset.features, dataset.y)
    return tree_columns(fine, counts, 16, 0.01)


@pytest.fixture(scope="module")
def questions(
    make_run_spec: Callable[..., RunSpec], pooled_preprocessor: Preprocessor, columns: Columns
) -> dict[Task, TaskConfig]:
    """One valid request of each task."""
    design = PreparedDesign(pooled_preprocessor)
    exponents = design.columns.exponents
    root = np.array([0], np.int32)
    request = Request(
        round=0,
        seed=keyed_seed(make_run_spec("model=gbdt").seed, "trees"),
        row_share=1.0,
        bad_weight=1.0,
        base=-1000,
        offset=0,
        scored=True,
        finished=Trees.of([]),
        growing=Trees.of([np.array([[-1, 0, 0, 0, 0]], np.int32)]),
        columns=(np.arange(len(columns.columns), dtype=np.int32),),
        nodes=(root,),
    )
    texts = {
        Task.CELLS: HistogramQuestion(("turnover", "firm_age"), {}),
        Task.PRODUCTS: CrossProductsQuestion(exponents),
        Task.LIKELIHOOD: LikelihoodQuestion((-1.0, *[0.1] * len(exponents)), exponents),
    }
    made = {
        task: TaskConfig(
            make_run_spec(f"model={MODELS[task]}"),
            part=Part.TRAIN,
            question=write_message(text),
            design="" if task is Task.CELLS else write_design(design),
        )
        for task, text in texts.items()
    }
    made[Task.TREES] = TaskConfig(
        make_run_spec("model=gbdt"),
        number=1,
        part=Part.TRAIN,
        question=request.settings,
        design=write_columns(columns),
        arrays=tuple(request.arrays),
    )
    return made


@pytest.mark.parametrize("task", MODELS)
def test_an_answer_fits_its_layout_and_is_in_the_ledger(
    bank: Deployed, questions: dict[Task, TaskConfig], task: Task
) -> None:
    asked = questions[task]
    reply = bank.ask(task, asked)
    (vector,) = reply.content.array_records[RELEASE].to_numpy_ndarrays()
    layout = asked.layout(task)
    assert layout.admits(vector)
    (line,) = bank.lines()
    assert (line.kind, line.task, line.bytes) == ("release", str(task), vector.nbytes)
    assert [entry[0] for entry in line.layout] == [entry.name for entry in layout.entries]
    sums = layout.decode(vector)
    n = len(bank.loans.rows(Part.TRAIN))
    found = {
        Task.CELLS: lambda: sums["turnover/histogram"].sum(),
        Task.PRODUCTS: lambda: sums["n"],
        Task.LIKELIHOOD: lambda: sums["n"],
        Task.TREES: lambda: sums["fit/loans"],
    }[task]()
    assert int(found) == n


def test_every_config_comes_back(questions: dict[Task, TaskConfig]) -> None:
    for task, asked in questions.items():
        read_back = TaskConfig.from_config(asked.to_config(), asked.arrays)
        assert read_back.to_config() == asked.to_config()
        assert read_back.layout(task).fingerprint == asked.layout(task).fingerprint
    trees = questions[Task.TREES]
    assert trees.parts(Task.TREES) == (Part.TRAIN, Part.VALIDATION)
    assert questions[Task.CELLS].parts(Task.CELLS) == (Part.TRAIN,)


@pytest.mark.parametrize("task", MODELS)
def test_a_bank_may_refuse_a_task_a_family_and_large_answers(
    bank: Deployed, questions: dict[Task, TaskConfig], task: Task
) -> None:
    asked, limits = questions[task], bank.limits
    bank.limits = replace(limits, tasks=[name for name in limits.tasks if name != task])
    assert f"policy.tasks in the bank's bank.yaml does not name '{task}'" in bank.refusal(
        task, asked
    )
    bank.limits = replace(limits, models=["loan_risk"])
    assert "policy.models" in bank.refusal(task, asked)
    bank.limits = replace(limits, max_numbers=3)
    assert "policy.max_numbers" in bank.refusal(task, asked)
    bank.limits = replace(limits, min_loans=10**6)
    assert "policy.min_loans" in bank.refusal(task, asked)
    assert all(line.kind == "error" for line in bank.lines())


@pytest.mark.parametrize("task", MODELS)
def test_a_question_of_another_family_or_task_is_refused(
    bank: Deployed,
    questions: dict[Task, TaskConfig],
    make_run_spec: Callable[..., RunSpec],
    task: Task,
) -> None:
    network = replace(questions[task], spec=make_run_spec())
    assert "has no task" in bank.refusal(task, network)
    other = Task.LIKELIHOOD if task is not Task.LIKELIHOOD else Task.PRODUCTS
    bank.refusal(other, questions[task])
    for broken in ("", "{}", "null", '{"kind": "Nothing"}', "[" * 10_000):
        bank.refusal(task, replace(questions[task], question=broken))
    assert "validation loans" in bank.refusal(
        Task.CELLS, replace(questions[Task.CELLS], part=Part.TEST)
    )


def test_a_question_looks_at_the_features_of_the_run_alone(
    bank: Deployed, questions: dict[Task, TaskConfig], columns: Columns
) -> None:
    cells, trees = questions[Task.CELLS], questions[Task.TREES]
    strange = write_message(HistogramQuestion(("exposure",), {}))
    assert "'exposure', which is no feature" in bank.refusal(
        Task.CELLS, replace(cells, question=strange)
    )
    # By a name of the run, but another feature.
    body = write_columns(columns).replace('"farming", "trade"', '"trade", "farming"')
    assert body != trees.design
    assert "'sector', which is no feature" in bank.refusal(Task.TREES, replace(trees, design=body))
    short = replace(cells, spec=replace(cells.spec, features=cells.spec.features[1:]))
    assert "'turnover', which is no feature" in bank.refusal(Task.CELLS, short)


def test_trees_that_are_none_are_refused(bank: Deployed, questions: dict[Task, TaskConfig]) -> None:
    trees = questions[Task.TREES]
    for k, array in enumerate(trees.arrays):
        for wrong in (array.astype(np.float32), array[:0], array + 10**6):
            arrays = (*trees.arrays[:k], wrong, *trees.arrays[k + 1 :])
            if wrong.dtype == array.dtype and np.array_equal(wrong, array):
                continue
            bank.refusal(Task.TREES, replace(trees, arrays=arrays))


@pytest.fixture(scope="module")
def fitted(
    make_run_spec: Callable[..., RunSpec], dataset: Dataset, parts: np.ndarray
) -> tuple[RunSpec, Model]:
    run = make_run_spec("model=tree")
    train, validation = (
        Loans(dataset.features.iloc[rows], dataset.y[rows])
        for rows in (np.flatnonzero(parts == part) for part in (Part.TRAIN, Part.VALIDATION))
    )
    return run, fit_exact(LoansAtHand(run, train, validation), run, ExactState())


def test_a_bank_keeps_and_scores_the_model_it_was_sent(
    bank: Deployed, fitted: tuple[RunSpec, Model]
) -> None:
    from fed_credit.artefact import Artefact

    run, model = fitted
    seen: list[Artefact] = []
    bank.loans.on_test = lambda task, arrays: seen.append(Artefact.received(task, arrays))
    asked = TaskConfig(run, part=Part.TEST)
    reply = bank.ask(Task.EVALUATION, asked, [pack(model)])
    (vector,) = reply.content.array_records[RELEASE].to_numpy_ndarrays()
    assert asked.layout(Task.EVALUATION).admits(vector)
    assert [artefact.sha256 for artefact in seen] == [model.sha256]


def test_what_is_no_model_is_refused(bank: Deployed, fitted: tuple[RunSpec, Model]) -> None:
    import zlib

    run, model = fitted
    asked, packed = TaskConfig(run, part=Part.TEST), pack(model)
    bomb = np.frombuffer(zlib.compress(b" " * 2**29, 9), np.uint8)
    bank.limits = replace(bank.limits, max_parameters=10**7)
    nothing = np.frombuffer(zlib.compress(json.dumps({}).encode()), np.uint8)
    for wrong in (
        [],
        [packed, packed],
        [packed[:-20]],
        [packed.astype(np.float32)],
        [nothing],
        [bomb],
    ):
        assert "model" in bank.refusal(Task.EVALUATION, asked, arrays=wrong)
    stranger = replace(run, features=run.features[:1])
    assert "no feature of the run" in bank.refusal(
        Task.EVALUATION, replace(asked, spec=stranger), arrays=[packed]
    )
