"""``fed-credit monitor`` in a home: model, loans, decisions, exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from fed_credit.cli import main

AS_OF = "2023-12-31"


@pytest.fixture(scope="module")
def shop(world: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model's file, and loans that drift."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "model.fcm").write_bytes(world.opened.body)
    world.drifted().to_parquet(folder / "loans.parquet")
    world.raw.head(3000).drop(columns="institution").to_csv(folder / "calm.csv", index=False)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    small = {"months": 3, "vintages": 1, "reference": "model"}
    (tmp_path / "monitor.yaml").write_text(yaml.safe_dump(small))
    return tmp_path


def _run(home: Path, shop: Path, *arguments: str, loans: str = "loans.parquet") -> int:
    return main(
        [
            *("monitor", "--home", str(home), "--model", str(shop / "model.fcm")),
            *("--loans", str(shop / loans), "--as-of", AS_OF, *arguments),
        ]
    )


def test_a_report_is_written_and_shown(
    home: Path, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(home, shop) == 0
    shown = capsys.readouterr().out
    assert "Drift by month" in shown and "2023-12" in shown and "firm_age" in shown
    body = json.loads((home / "monitoring" / "latest.json").read_text(encoding="utf-8"))
    assert body["as_of"] == AS_OF and len(body["months"]) == 3 and len(body["vintages"]) == 1
    assert f"{len(body['alerts'])} new of {len(body['alerts'])} alerts" in shown
    assert _run(home, shop, "--quiet") == 0
    assert capsys.readouterr().out == ""
    assert (home / "monitoring" / "reports" / f"{AS_OF}.json").is_file()


def test_a_scheduler_is_told_by_the_exit_code(
    home: Path, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(home, shop, "--json", "--fail-on", "alert") == 1
    body = json.loads(capsys.readouterr().out)
    assert {alert["level"] for alert in body["alerts"]} >= {"alert"}
    assert _run(home, shop, "--quiet", "--fail-on", "watch") == 1
    calm = {"months": 0, "vintages": 0}
    (home / "monitor.yaml").write_text(yaml.safe_dump(calm))
    assert _run(home, shop, "--quiet", "--fail-on", "watch", loans="calm.csv") == 0


def test_the_champion_is_watched_and_its_source_is_in_monitor_yaml(
    home: Path, shop: Path, world: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from fed_credit.registry.registry import Registry, Stage

    with Registry.open(home / "registry.db", create=True) as registry:
        registry.register(world.opened.body, actor="me", reason="first", stage=Stage.CHAMPION)
    assert main(["monitor", "--home", str(home), "--as-of", AS_OF]) == 2
    assert "does not say where the loans lie" in capsys.readouterr().err
    world.raw.head(4000).rename(columns={"turnover": "sales"}).to_csv(home / "own.csv", index=False)
    own = {
        "months": 2,
        "vintages": 1,
        "source": {"path": "own.csv"},
        "mapping": {"columns": {"sales": "turnover"}},
    }
    (home / "monitor.yaml").write_text(yaml.safe_dump(own))
    assert main(["monitor", "--home", str(home), "--as-of", "2017-12-31", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["model"] == {"version": 1, "sha256": world.opened.sha256}
    assert body["months"][-1]["loans"] > 0


def test_the_decision_log_shows_who_applied(
    home: Path, shop: Path, world: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from fed_credit.decision_log.log import DecisionLog
    from fed_credit.decision_log.records import Decision, new_id

    drifted = world.drifted()
    late = drifted[drifted["application_date"] >= "2023-11-01"]
    inputs = late[list(world.scorer.inputs)].astype(object)
    inputs = inputs.where(inputs.notna(), None)
    with DecisionLog.open(home / "decisions.db", create=True) as log:
        log.append(
            [
                Decision(
                    id=new_id(),
                    time=f"{day:%Y-%m-%d}T10:00:00.000000Z",
                    application=None,
                    model=1,
                    model_sha256=world.opened.sha256,
                    inputs={k: v for k, v in row.items() if v is not None},
                    model_pd=0.1,
                    pd=0.1,
                    score=500,
                    grade="C",
                    verdict="decline",
                    reasons=(),
                    key="",
                    shadow=None,
                )
                for day, row in zip(
                    late["application_date"], inputs.to_dict("records"), strict=True
                )
            ]
        )
    assert _run(home, shop, "--json", "--decisions", loans="calm.csv") == 0
    from_log = json.loads(capsys.readouterr().out)
    assert _run(home, shop, "--json") == 0
    from_loans = json.loads(capsys.readouterr().out)
    assert from_log["source"] == "decisions" and from_loans["source"] == "loans"
    assert from_log["months"][1:] == from_loans["months"][1:]
    assert from_log["months"][0]["loans"] == 0


def test_settings_that_are_no_yaml_are_named_once(
    home: Path, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "monitor.yaml").write_text("months: [1,\n")
    assert main(["monitor", "--home", str(home), "--model", str(shop / "model.fcm")]) == 2
    told = capsys.readouterr().err
    assert "is not valid YAML" in told and told.count("monitor.yaml") == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--federated", "--simulate"], "leave one out"),
        (["seed=3"], "belongs to --simulate"),
        (["--simulate", "--decisions"], "one bank's own loans"),
        (["--run", "x"], "belong to --federated"),
        (["--as-of", "soon"], "is not a date"),
        (["--simulate", "--as-of", "2999-01-01"], "has not come yet"),
        (["--from", "2024-02", "--as-of", AS_OF], "is not over"),
        (["--home", "nowhere"], "is no folder"),
        (["--model", "missing.fcm"], "cannot be read"),
        (["--fail-on", "noise"], "invalid choice"),
        (["--model", "champion"], "registry"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    home: Path,
    shop: Path,
    arguments: list[str],
    why: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ["monitor", "--home", str(home), "--model", str(shop / "model.fcm"), *arguments]
    assert main(given) == 2
    told = capsys.readouterr().err
    assert why in told and told.startswith("Error: ") and told.count("\n") == 1


def test_banks_of_a_simulation_are_pooled_by_sums(
    home: Path, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [
        *("monitor", "--simulate", "--home", str(home), "--model", str(shop / "model.fcm")),
        *("--as-of", AS_OF, "--json", "data=synthetic", "data.generator.num_loans=3000"),
        *("data.generator.num_institutions=3", "data.min_loans=50"),
    ]
    assert main(given) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["pooled"] and body["bank"] is None and len(body["banks"]) == 3
    assert main([*given, "--min-loans", "10000"]) == 3
    assert "asks for more loans" in capsys.readouterr().err
