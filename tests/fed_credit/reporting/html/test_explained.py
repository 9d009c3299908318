"""The part of the page that explains the model: whole, in both languages, for each family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fed_credit.artefact import Artefact
from fed_credit.config.spec import SourceKind
from fed_credit.data.book import Dataset
from fed_credit.files import plain
from fed_credit.reporting.explanations import explanations
from fed_credit.reporting.html.run_page import render_run

LABELS = {"turnover": {"en": "Yearly turnover", "zh": "年营业额"}}
WORDS = {
    "scorecard": ("PSI between banks", "各行间 PSI"),
    "logreg_exact": ("Standard error", "标准误"),
    "gbdt": ("trees with", "棵树"),
    "tree": ("The tree as rules", "决策树规则"),
}


@pytest.fixture
def explain(
    run: Any, dataset: Dataset, parts: np.ndarray, exact: Callable[[str], Artefact]
) -> Callable[..., Any]:
    """Put a family and what explains it into the finished run."""

    def make(family: str, source: SourceKind = SourceKind.SYNTHETIC) -> Any:
        artefact = exact(family)
        run.results["model"].update(family=family, details=plain(dict(artefact.model.details)))
        found = explanations(dataset, parts, artefact, source)
        run.results["explanations"] = plain(found)
        run.data["labels"].update(LABELS)
        return run

    return make


@pytest.mark.parametrize("family", list(WORDS))
def test_the_page_explains_the_model(explain: Callable[..., Any], page: Any, family: str) -> None:
    run = explain(family)
    found = page(render_run(run.results, run.data, run.config))
    assert "explain" in found.ids
    english, chinese = found.read("en"), found.read("zh")
    for said, shown in ((WORDS[family][0], english), (WORDS[family][1], chinese)):
        assert said in shown
    assert "What matters most" in english and "哪些特征最重要" in chinese
    assert "Yearly turnover" in english and "年营业额" in chinese
    assert "Three loans explained" in english
    assert "None" not in english and "nan" not in english


def test_real_borrowers_loans_are_not_on_the_page(explain: Callable[..., Any], page: Any) -> None:
    run = explain("scorecard", SourceKind.TABLE)
    shown = page(render_run(run.results, run.data, run.config)).read("en")
    assert "these loans have real borrowers" in shown
    assert "fewer than the best class" not in shown


def test_a_network_s_page_has_no_such_part(run: Any, page: Any) -> None:
    assert run.results["explanations"] is None
    found = page(render_run(run.results, run.data, run.config))
    assert "explain" not in found.ids
    assert not [value for _, name, value in found.attributes if name == "href" and "expl" in value]
