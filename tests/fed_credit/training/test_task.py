from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fed_credit.config.spec import ClassWeighting, Weighting
from fed_credit.data.book import Dataset, Part
from fed_credit.drift.question import write_question
from fed_credit.drift.reference import ReferenceQuestion
from fed_credit.errors import ConfigurationError, ReleaseError
from fed_credit.features.preprocessor import Preprocessor, fit_pooled
from fed_credit.features.statistics import count, moments, numeric_ranges
from fed_credit.models import family
from fed_credit.training.predict import default_probability
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.task import QUESTIONS, Task, TaskConfig, read_scores
from fed_credit.training.updates import weighted_update


@pytest.fixture(scope="module")
def spec(make_run_spec: Callable[..., RunSpec]) -> RunSpec:
    return make_run_spec(
        "model.class_weighting=balanced", "strategy.weighting=exposure", "model.dropout=0.1"
    )


@pytest.fixture(scope="module")
def preprocessor(spec: RunSpec, dataset: Dataset) -> Preprocessor:
    return fit_pooled(spec.features, dataset.features, dataset.y, spec.preprocessing)


@pytest.fixture(scope="module")
def full(spec: RunSpec, preprocessor: Preprocessor, dataset: Dataset) -> TaskConfig:
    counts = count(spec.features, dataset.features, dataset.y)
    return TaskConfig(
        spec,
        number=17,
        preprocessor=preprocessor,
        ranges=numeric_ranges(spec.features, counts, 0.001),
        bad_weight=1 / 3,
        log_odds_offset=-np.log(3.0).item(),
        part=Part.TEST,
        score_incoming=True,
        question=write_question(ReferenceQuestion(spec.features, spec.histogram_bins)),
    )


def test_a_run_survives_the_wire(spec):
    read = RunSpec.from_json(spec.json_text)
    assert read == spec and read.json_text == spec.json_text
    assert type(read.weighting) is Weighting
    assert type(read.model.class_weighting) is ClassWeighting
    assert "\n" not in spec.json_text


def test_a_run_carries_nothing_about_where_data_lie(make_spec, make_run_spec):
    simulation, travels = make_spec(), json.loads(make_run_spec().json_text)
    assert simulation.run_dir not in json.dumps(travels)
    assert not {"data", "run_dir", "partition", "path", "generator"} & set(travels)


@pytest.mark.parametrize(
    "broken",
    [
        lambda raw: "",
        lambda raw: "[]",
        lambda raw: json.dumps({**raw, "weighting": "by votes"}),
        lambda raw: json.dumps({**raw, "model": {**raw["model"], "depth": 3}}),
        lambda raw: json.dumps({key: raw[key] for key in raw if key != "seed"}),
        # What an operator may write instead of what a limit or a page expects.
        lambda raw: json.dumps({**raw, "seed": "<script>"}),
        lambda raw: json.dumps({**raw, "rounds": float("nan")}),
        lambda raw: json.dumps({**raw, "histogram_bins": [1]}),
        lambda raw: json.dumps({**raw, "question": "all"}),
        lambda raw: json.dumps({**raw, "population": {**raw["population"], "schema": {}}}),
    ],
)
def test_a_specification_of_another_version_is_one_sentence(spec, broken):
    with pytest.raises(ConfigurationError, match="same version of fed-credit"):
        RunSpec.from_json(broken(json.loads(spec.json_text)))


def test_a_task_survives_the_wire(full, spec):
    for task in (
        full,
        TaskConfig(spec),
        replace(full, ranges=None),
        replace(full, part=Part.TRAIN),
    ):
        config = task.to_config()
        assert all(isinstance(value, str | int | float | bool) for value in config.values())
        read = TaskConfig.from_config({**config, "server-round": 3})  # Flower's own key
        assert read == task and read.to_config() == config


def test_both_sides_lay_out_the_same_release(full):
    read = TaskConfig.from_config(full.to_config())
    prints = set()
    for asked in (full, replace(full, score_incoming=False)):
        for task in set(Task) - set(QUESTIONS):
            here = asked.layout(task)
            there = replace(read, score_incoming=asked.score_incoming).layout(task)
            assert here.fingerprint == there.fingerprint and here.size == there.size
            prints.add(here.fingerprint)
    assert len(prints) == 6  # only a round differs by whether it scores


def test_another_run_is_laid_out_otherwise(full, make_run_spec):
    other = replace(full, spec=make_run_spec("model.hidden=[9]"))
    assert other.layout(Task.ROUND).fingerprint != full.layout(Task.ROUND).fingerprint
    finer = replace(full, spec=make_run_spec("evaluation.histogram_bins=65"))
    assert finer.layout(Task.EVALUATION).fingerprint != full.layout(Task.EVALUATION).fingerprint


def test_every_answer_fits_its_layout_and_reads_back(full, spec, preprocessor, dataset):
    from fed_credit.evaluation.sums import score_sums

    counts = count(spec.features, dataset.features, dataset.y)
    full.layout(Task.COUNTS).encode(counts)
    full.layout(Task.MOMENTS).encode(moments(spec.features, dataset.features, full.ranges or {}))
    models = family(spec.model.family)
    weights = models.initial_weights(len(preprocessor.columns), spec.model, 1)
    p = default_probability(weights, preprocessor.transform(dataset.features), spec.model, 0.0)
    scores = score_sums(dataset.y, p, bins=spec.histogram_bins)
    named = {f"scores/{name}": array for name, array in scores.arrays().items()}
    names = [name for name, _ in full.weight_shapes]
    answer = {**weighted_update(names, weights, weights, 3.0), **named}
    for task, arrays in ((Task.ROUND, answer), (Task.EVALUATION, named)):
        layout = full.layout(task)
        assert list(arrays) == [entry.name for entry in layout.entries]
        read = read_scores(layout.decode(layout.encode(arrays)))
        for name, array in scores.arrays().items():
            assert np.array_equal(read.arrays()[name], array)


def test_a_round_without_a_preprocessor_is_refused(spec):
    with pytest.raises(ReleaseError, match="needs a preprocessor"):
        TaskConfig(spec).layout(Task.ROUND)
