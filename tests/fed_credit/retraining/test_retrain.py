"""A retraining from trigger to registry, by the command and by the function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from fed_credit.cli import main
from fed_credit.data.book import Part
from fed_credit.data.split import assign_parts
from fed_credit.errors import ConfigurationError
from fed_credit.evaluation.metrics import auc
from fed_credit.registry.registry import Registry, Stage
from fed_credit.retraining.challenger import known_on
from fed_credit.retraining.record import RECORD
from fed_credit.retraining.retrain import Request, retrain

EASY = {"gate": {"by": "estimate", "margin": 0.0, "min_bads": 5, "max_bank_loss": 0.9}}


@pytest.fixture
def ask(registry: Registry, world, settings, tmp_path: Path):
    def call(as_of: str, own: dict[str, Any], *overrides: str, **how: bool):
        said: list[str] = []
        request = Request(np.datetime64(as_of), world.spec(*overrides), "Wei", **how)
        return retrain(tmp_path, registry, settings(**own), request, said.append), said

    return call


def test_nothing_due_leaves_a_line_and_nothing_else(
    ask, registry: Registry, tmp_path: Path
) -> None:
    before = registry.history()
    outcome, said = ask("2022-03-31", EASY)
    assert outcome.challenger is None and said[0].startswith("Not due: ")
    outcome, said = ask("2022-12-31", EASY, dry_run=True)
    assert outcome.due.fired and said[-1].startswith("A dry run")
    assert registry.history() == before and not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("own", "stage"),
    [
        ({**EASY, "promote": "challenger"}, Stage.CHALLENGER),
        ({"gate": {**EASY["gate"], "margin": 0.5}}, Stage.CANDIDATE),
    ],
)
def test_what_passes_is_promoted_and_what_fails_stays_with_its_reasons(
    ask,
    registry: Registry,
    tmp_path: Path,
    own: dict[str, Any],
    stage: Stage,
) -> None:
    outcome, said = ask("2022-12-31", own)
    gate = outcome.gate
    if own["gate"]["margin"] == 0.0 and not gate.passed:
        pytest.skip("the challenger of this data does not gain")
    assert registry.version(2).stage is stage
    assert registry.champion().number == 1
    event = registry.history(2)[-1]
    record = registry.history(2)[0].details[RECORD]
    assert record["as_of"] == "2022-12-31" and record["champion"] == 1
    assert record["vintage"] == {"first": "2020-07-01", "end": "2021-01-01"}
    assert [item["kind"] for item in record["triggers"]] == ["schedule"]
    assert record["gate"]["passed"] is (own["gate"]["margin"] == 0.0)
    worst = [bank["gain"]["gain"]["auc"]["value"] for bank in record["gate"]["banks"]]
    known = [value for value in worst if value is not None]
    assert known == sorted(known) and worst[: len(known)] == known
    assert gate.reasons[0].en in event.reason and event.actor == "Wei"
    assert registry.model(2).sha256 == outcome.challenger.opened.sha256
    assert (tmp_path / "runs" / record["run"] / "model.fcm").is_file()
    assert said[-1] == f"Version 2 is {stage}."
    assert not registry.verify()
    # The attempt counts, whatever became of it: the next one waits.
    resting, said = ask("2023-01-31", own)
    assert resting.challenger is None and "the last challenger is of 2022-12-31" in said[0]


def test_a_vintage_that_the_champion_has_seen_is_refused(ask) -> None:
    with pytest.raises(ConfigurationError, match="has seen loans decided until"):
        # Twenty months reach back into what the champion was trained on.
        ask("2022-12-31", {**EASY, "vintage": {"months": 20}})
    with pytest.raises(ConfigurationError, match="before the champion's own day"):
        ask("2021-06-30", EASY, force=True)


def test_the_champion_is_scored_although_the_challenger_looks_at_less(ask, world, settings) -> None:
    outcome, _ = ask("2022-12-31", EASY, "data.features=[firm_age,inquiries,guarantee]")
    champion, known = outcome.champion.opened, outcome.known
    parts = assign_parts(known.dataset, known.spec.data.split, 24, known.spec.seed)
    full = known_on(known.vintage.as_of, settings(), world.spec()).dataset
    vintage = full.features[parts == Part.TEST]
    expected = auc(full.y[parts == Part.TEST], champion.model.artefact.score(vintage))
    assert outcome.gate.overall.champion["auc"] == pytest.approx(expected, abs=1e-12)


def test_the_command(
    registry: Registry,
    world,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = ["data=table", f"data.path={world.folder / 'loans.parquet'}", "data.schema=synthetic"]
    own = {
        "overrides": [
            *data,
            "model=scorecard",
            "data.features=[firm_age,margin,log_arrears_days]",
            "data.min_loans=50",
            "evaluation.baselines=[]",
        ],
        **EASY,
    }
    (tmp_path / "retrain.yaml").write_text(yaml.safe_dump(own))
    home = ["retrain", "--home", str(tmp_path), "--as-of"]
    words = ["2022-06-30", "data.target.window_months=24", "--actor", "Wei", "--force"]
    assert main([*home, *words]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Due (force)") and "The newest matured vintage by bank" in out
    assert registry.versions()[1].by == "Wei"
    assert main([*home, "2022-31-12"]) == 2
    assert main([*home, "2022-12-31", "run_dir=x"]) == 2
    assert "makes a folder of its own" in capsys.readouterr().err
    (tmp_path / "retrain.yaml").write_text("gate: {by: luck}")
    assert main([*home, "2022-12-31"]) == 2
    assert "gate.by" in capsys.readouterr().err
