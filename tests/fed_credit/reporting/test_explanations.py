"""Explanations in the results and both reports, for each family; no real borrower's loan."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fed_credit.artefact import Artefact
from fed_credit.config.spec import SimulationSpec, SourceKind
from fed_credit.data.book import Dataset
from fed_credit.files import plain
from fed_credit.reporting.explanations import explanations
from fed_credit.reporting.html.explained import explained
from fed_credit.reporting.model_section import model_section

FAMILIES = ("scorecard", "logreg_exact", "gbdt", "tree")
Fit = Callable[[str], Artefact]


@pytest.fixture
def told(dataset: Dataset, parts: np.ndarray, exact: Fit) -> Callable[..., dict[str, Any]]:
    """The part of the results that explains a family."""

    def make(family: str, source: SourceKind = SourceKind.SYNTHETIC) -> dict[str, Any]:
        artefact = exact(family)
        model = {"family": family, "details": dict(artefact.model.details)}
        found = explanations(dataset, parts, artefact, source)
        results: dict[str, Any] = plain({"model": model, "explanations": found})
        return results

    return make


@pytest.mark.parametrize("family", FAMILIES)
def test_results_hold_importance_dependence_and_three_examples(
    told: Callable[..., dict[str, Any]], parts: np.ndarray, family: str
) -> None:
    results = told(family)
    json.dumps(results, allow_nan=False)
    found = results["explanations"]
    assert found["loans"] == int((parts == 1).sum()) and found["one_in"] == 1
    assert found["importance"] and found["dependence"] and len(found["examples"]) == 3
    pds = [one["pd"] for one in found["examples"]]
    assert pds == sorted(pds) and pds[0] < pds[-1]
    assert (found["stability"] is not None) == (family == "scorecard")


@pytest.mark.parametrize("source", [SourceKind.SBA, SourceKind.TABLE])
def test_loans_of_real_borrowers_are_never_shown(
    told: Callable[..., dict[str, Any]], source: SourceKind
) -> None:
    results = told("scorecard", source)
    assert results["explanations"]["examples"] is None
    said = "\n".join(model_section(results["model"], results["explanations"]))
    assert "real borrowers" in said and "fewer than the best class" not in said


@pytest.mark.parametrize("family", FAMILIES)
def test_the_plain_report_tells_them(told: Callable[..., dict[str, Any]], family: str) -> None:
    results = told(family)
    said = "\n".join(model_section(results["model"], results["explanations"]))
    for title in ("Importance of the features", "Partial dependence", "Loans explained"):
        assert f"### {title}" in said
    first = results["explanations"]["importance"][0]
    assert f"| {first['feature']} | {first['mean_absolute']:.3f} |" in said


def test_a_network_has_none(
    dataset: Dataset, parts: np.ndarray, exact: Fit, make_spec: Callable[..., SimulationSpec]
) -> None:
    network = Artefact(make_spec().model, exact("tree").model, {})
    assert explanations(dataset, parts, network, SourceKind.SYNTHETIC) is None
    assert explained({"explanations": None}, {"labels": {}}) is None
    assert model_section({"family": "loan_risk"}, None) == []
