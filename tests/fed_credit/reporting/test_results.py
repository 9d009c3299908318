"""The body of results.json from repeats whose scores are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fed_credit.config.spec import SimulationSpec
from fed_credit.data.book import Dataset, Part
from fed_credit.evaluation.cut_off import best_cut_off, profit_at
from fed_credit.evaluation.metrics import measure
from fed_credit.repeat import Repeat, RepeatRunner
from fed_credit.reporting import results


@pytest.fixture(scope="module")
def spec(make_spec: Callable[..., SimulationSpec]) -> SimulationSpec:
    return make_spec()


@pytest.fixture(scope="module")
def repeats(
    spec: SimulationSpec, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> list[Repeat]:
    folder: Path = tmp_path_factory.mktemp("repeats")
    runner = RepeatRunner(spec, dataset, folder, lambda repeat, state: None, lambda stage: None)
    return [runner.run(number) for number in range(2)]


def test_test_scores_are_those_of_the_test_loans(dataset: Dataset, repeats: list[Repeat]) -> None:
    first = repeats[0]
    taken = results.test_scores(dataset, first)
    rows = np.flatnonzero(first.parts == Part.TEST)
    np.testing.assert_array_equal(taken.y, dataset.y[rows])
    np.testing.assert_array_equal(taken.scores["federated"], first.scores["federated"][rows])
    assert dataset.true_pd is not None
    np.testing.assert_array_equal(taken.scores["best_reachable"], dataset.true_pd[rows])
    for k in range(3):
        mine = rows[(rows >= dataset.rows(k).start) & (rows < dataset.rows(k).stop)]
        assert np.sum(taken.institution == k) == len(mine)
        assert taken.n_train[k] == np.sum(first.parts[dataset.rows(k)] == Part.TRAIN)
    nameless = results.test_scores(replace(dataset, true_pd=None), first)
    assert set(nameless.scores) == {"local", "federated", "pooled"}


def test_figures_are_means_over_repeats(
    spec: SimulationSpec, dataset: Dataset, repeats: list[Repeat]
) -> None:
    from fed_credit.artefact import Artefact

    artefact = Artefact(spec.model, repeats[0].model, {})
    body = results.build_results(spec, dataset, repeats, artefact, ["told"], 1.5)
    exact = []
    for repeat in repeats:
        test = repeat.parts == Part.TEST
        p = repeat.scores["pooled"][test]
        exact.append(measure(dataset.y[test], p, calibration_bins=spec.evaluation.calibration_bins))
    for metric in ("auc", "ks", "brier"):
        mean = np.mean([getattr(one, metric) for one in exact])
        assert body["test"]["pooled"][metric] == pytest.approx(mean)
    assert body["warnings"] == ["told"]
    assert body["timing"]["wall_s"] == 1.5
    assert len(body["timing"]["rounds_s"]) == 6
    assert body["model"]["sha256"] == artefact.sha256
    assert body["data"]["test"] == np.sum(repeats[0].parts == Part.TEST)
    assert body["versions"]["flwr"].startswith("1.")


def test_cut_offs_come_from_validation_loans(
    spec: SimulationSpec, dataset: Dataset, repeats: list[Repeat]
) -> None:
    found = results.decisions(dataset, repeats, spec.evaluation)
    profit = spec.evaluation.profit
    cut_offs, profits = [], []
    for repeat in repeats:
        p = repeat.scores["local"]
        validation, test = (repeat.parts == part for part in (Part.VALIDATION, Part.TEST))
        chosen = best_cut_off(
            dataset.y[validation], p[validation], profit.gain_good, profit.loss_bad
        )
        cut_offs.append(chosen)
        profits.append(
            profit_at(dataset.y[test], p[test], chosen, profit.gain_good, profit.loss_bad)
        )
    assert found["local"]["cut_off"] == pytest.approx(np.mean(cut_offs))
    assert found["local"]["profit_per_loan"] == pytest.approx(np.mean(profits))
    assert 0 <= found["local"]["approval_rate"] <= 1


def test_versions_that_bits_depend_on_are_there() -> None:
    found = results.versions()
    assert {"python", "machine", "fed-credit", "flwr", "torch", "numpy"} <= set(found)
    assert "not installed" not in found["torch"]
