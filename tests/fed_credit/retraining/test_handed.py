"""A model that was trained elsewhere stands on a bank's own loans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fed_credit.cli import main
from fed_credit.data.target import label
from fed_credit.evaluation.metrics import auc
from fed_credit.model_file.archive import Opened
from fed_credit.registry.registry import Registry, Stage
from fed_credit.retraining.record import RECORD
from fed_credit.scoring.scorer import Explain, Scorer
from fed_credit.serving.pages.history import stories
from fed_credit.serving.pages.speech import Speech
from fed_credit.simulate import MODEL_FILE, simulate

EASY = {
    "gate": {
        "by": "estimate",
        "margin": 0.0,
        "min_bads": 5,
        "max_bank_loss": 0.9,
        "bank_min_bads": 5,
    }
}
NEVER = {"gate": {**EASY["gate"], "margin": 0.5}}
AS_OF = "2022-12-31"


@pytest.fixture(scope="session")
def poor(world: Any) -> Opened:
    """A model that looks at little."""
    return world.champion("data.features=[inquiries,guarantee]")


@pytest.fixture
def stand(
    tmp_path: Path, world: Any, champion: Opened, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Run the command in a home with loans; the challenger is the better model."""
    world.frame.drop(columns="institution").to_parquet(tmp_path / "own.parquet")
    (tmp_path / "better.fcm").write_bytes(champion.body)

    def call(settings: dict[str, Any], *arguments: object) -> tuple[int, str]:
        (tmp_path / "retrain.yaml").write_text(yaml.safe_dump(settings))
        (tmp_path / "monitor.yaml").write_text(yaml.safe_dump({"source": {"path": "own.parquet"}}))
        given = ["retrain", "--home", tmp_path, "--challenger", tmp_path / "better.fcm"]
        words = [str(word) for word in [*given, "--as-of", AS_OF, "--actor", "Wei", *arguments]]
        code = main(words)
        told = capsys.readouterr()
        return code, told.out + told.err

    return call


@pytest.fixture
def registry(tmp_path: Path, poor: Opened) -> Registry:
    registry = Registry.open(tmp_path / "registry.db", create=True)
    registry.register(poor.body, actor="test", reason="first", stage=Stage.CHAMPION)
    return registry


@pytest.mark.parametrize(
    ("settings", "stage"),
    [
        ({**EASY, "promote": "champion"}, Stage.CHAMPION),
        ({**EASY, "promote": "challenger"}, Stage.CHALLENGER),
        ({**NEVER, "promote": "champion"}, Stage.CANDIDATE),
    ],
)
def test_what_passes_on_the_banks_own_loans_is_promoted(
    stand: Any,
    registry: Registry,
    champion: Opened,
    poor: Opened,
    world: Any,
    settings: dict[str, Any],
    stage: Stage,
) -> None:
    code, said = stand(settings)
    assert code == 0 and f"Version 2 is {stage}." in said
    assert registry.version(2).stage is stage and registry.model(2).sha256 == champion.sha256
    record = registry.history(2)[0].details[RECORD]
    assert record["as_of"] == AS_OF and record["champion"] == 1
    assert [item["kind"] for item in record["triggers"]] == ["handed"]
    assert record["vintage"] == {"first": "2020-07-01", "end": "2021-01-01"}
    assert record["gate"]["passed"] is (stage is not Stage.CANDIDATE)
    # The same by hand: the bank's loans of these months, by their outcomes of the day.
    frame, day = world.frame, world.frame["application_date"]
    frame = frame[((day >= "2020-07-01") & (day < "2021-01-01")).to_numpy()]
    scorer = Scorer(champion.model)
    target = world.spec(f"data.target.as_of={AS_OF}").data.target
    y = label(frame, scorer.model.schema, target).y
    overall = record["gate"]["overall"]
    assert overall["loans"] == len(frame) and overall["bads"] == int((y == 1).sum())
    for name, model in (("challenger", champion), ("champion", poor)):
        pds = Scorer(model.model).table(frame, Explain.NONE).scores.pd
        assert overall[name]["auc"] == pytest.approx(auc(y, pds), abs=1e-12)
    assert not registry.verify()
    for language, words in (("en", "Trained elsewhere; stood as of"), ("zh", "在别处训练")):
        story = stories(registry.history(2), Speech(language))[-1]
        assert story.reason.startswith(words) and story.gate


def test_a_dry_run_records_nothing(stand: Any, registry: Registry) -> None:
    before = registry.history()
    code, said = stand(EASY, "--dry-run")
    assert code == 0 and "nothing was recorded" in said and "The newest matured vintage" in said
    assert registry.history() == before


def test_what_cannot_stand_is_told_in_a_sentence(
    stand: Any, registry: Registry, tmp_path: Path, world: Any, poor: Opened
) -> None:
    (tmp_path / "poor.fcm").write_bytes(poor.body)
    shorter = world.champion("data.target.window_months=12")
    (tmp_path / "shorter.fcm").write_bytes(shorter.body)
    undated = tmp_path / "undated"
    simulate(replace(world.spec(), run_dir=str(undated)), show=False)
    for arguments, why in (
        (["--challenger", tmp_path / "poor.fcm"], "is the champion itself"),
        (["--challenger", tmp_path / "shorter.fcm"], "about 24 months and the challenger about 12"),
        (["--challenger", undated / MODEL_FILE], "The challenger does not say in its provenance"),
        (["--challenger", tmp_path / "none.fcm"], "cannot be read"),
        (["--loans", tmp_path / "none.csv"], "does not exist"),
        (["--force"], "nothing is trained"),
        (["model=mlp_small"], "nothing is trained"),
        (["--as-of", "2021-06-30"], "lies before the day of one of the models"),
        ([], "and the champion (version 1) has seen loans decided until"),
    ):
        months = 6 if arguments else 20
        code, said = stand({**EASY, "vintage": {"months": months}}, *arguments)
        assert code == 2 and why in said, said
        assert said.startswith("Error: ") and said.count("\n") == 1
    assert len(registry.versions()) == 1
    assert main(["retrain", "--home", str(tmp_path), "--loans", "x.csv"]) == 2


def test_too_few_bad_loans_judge_nothing(stand: Any, registry: Registry) -> None:
    code, said = stand({"gate": {**EASY["gate"], "bank_min_bads": 500}})
    assert code == 0 and "With fewer than 500 bad or good loans nothing is measured" in said
    assert "nan" not in said and "Version 2 is candidate." in said


def test_loans_may_come_from_a_file(
    stand: Any, registry: Registry, world: Any, tmp_path: Path
) -> None:
    frame = world.frame[world.frame["institution"] == "Bank C"]
    frame.to_csv(tmp_path / "other.csv", index=False)
    code, said = stand(EASY, "--loans", tmp_path / "other.csv", "--dry-run")
    assert code == 0 and f"{len(frame):,} rows, 0 rejected" in said
