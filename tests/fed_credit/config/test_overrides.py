"""Overrides found from a specification compose it again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fed_credit.config.load import compose, from_yaml, resolved_yaml
from fed_credit.config.overrides import overrides_of


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([], []),
        (["model=logreg", "seed=3"], ["model=logreg", "seed=3"]),
        (["experiment=quick"], None),
        (["strategy=fedadam", "strategy.eta=0.02"], ["strategy=fedadam", "strategy.eta=0.02"]),
        (["data=sba", "data.path='/a b/it\\'s.csv'"], None),
        (["data=sba", "data.path=x.csv", "+data.mapping.columns={A: Bank}"], None),
        (["data.approved_from='2001-01-01'", "evaluation.baselines=[]"], None),
        (["model.hidden=[8,4]", "data.exclude_fields=[sector]"], None),
    ],
)
def test_overrides_compose_the_same_run(given: list[str], found: list[str] | None) -> None:
    spec = compose(given)
    overrides = overrides_of(spec)
    assert overrides is not None
    again = compose(overrides)
    assert replace(again, run_dir="") == replace(spec, run_dir="")
    if found is not None:
        assert overrides == found


def test_a_saved_run_is_said_as_shortly(tmp_path: Path) -> None:
    spec = compose(["model=mlp_medium", "evaluation.repeats=5", "run_dir=elsewhere"])
    (tmp_path / "config.yaml").write_text(resolved_yaml(spec), encoding="utf-8")
    found = overrides_of(from_yaml(tmp_path / "config.yaml"))
    assert found == ["model=mlp_medium", "evaluation.repeats=5"]


def test_what_no_override_can_say_is_none() -> None:
    spec = compose(["data=sba", "data.path=x.csv"])
    spec.data.mapping.columns = {"a name: with, all {signs}": "Bank"}
    assert overrides_of(spec) is None
