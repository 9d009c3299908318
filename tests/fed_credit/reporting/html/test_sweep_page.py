"""The page of a sweep: what it calls best, what it leaves open, effects, failures, links."""

from __future__ import annotations

import copy
import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fed_credit.evaluation.intervals import resampled_interval
from fed_credit.reporting.html.effects import main_effects, rivals, values_of
from fed_credit.reporting.html.folder import render_folder
from fed_credit.reporting.html.sweep_page import render_sweep

NONE = {"value": None, "lo": None, "hi": None}


def _sweep(
    gap: float = 0.02, noise: float = 0.001, seeds: tuple[int, ...] = (1, 2, 3, 4)
) -> dict[str, Any]:
    """Two models, two strategies: the second model is better by ``gap``, fedprox by nothing."""
    rng = np.random.default_rng(2)
    level = {seed: float(rng.normal(0.0, 0.02)) for seed in seeds}
    jobs, groups = [], []
    for model, strategy in product(("logreg", "mlp_small"), ("fedavg", "fedprox")):
        members = []
        for seed in seeds:
            better = gap * (model == "mlp_small") + level[seed] + float(rng.normal(0.0, noise))
            metrics = {
                "auc": 0.70 + better,
                "ks": 0.3,
                "brier": 0.1,
                "validation_loss": 0.40 - better,
                "federated_minus_local": 0.01 if model == "mlp_small" else -0.01,
                "seconds": 1.5,
            }
            members.append(len(jobs))
            jobs.append(
                {
                    "number": len(jobs),
                    "folder": f"somewhere/{len(jobs)}",
                    "overrides": {"model": model, "strategy": strategy, "seed": seed},
                    "seed": seed,
                    "status": "ok",
                    "error": None,
                    "seconds": 1.5,
                    "metrics": metrics,
                    "test": {},
                    "overall": {},
                }
            )
        found = [jobs[k]["metrics"] for k in members]
        groups.append(
            {
                "setting": {"model": model, "strategy": strategy},
                "jobs": members,
                "seeds": list(seeds),
                "n": len(seeds),
                "mean": {key: float(np.mean([m[key] for m in found])) for key in found[0]},
                "sd": {key: float(np.std([m[key] for m in found], ddof=1)) for key in found[0]}
                if len(seeds) > 1
                else dict.fromkeys(found[0]),
                "reference": {"model": "logreg", "strategy": "fedavg"},
                "is_reference": not groups,
                "delta_vs_reference": {**NONE, "n": 0}
                if not groups
                else {"value": 0.0123, "lo": 0.0111, "hi": 0.0135, "n": len(seeds)},
                "deltas": {},
                "shared": None,
            }
        )
    best = min(groups, key=lambda group: group["mean"]["validation_loss"])
    return {
        "format": 1,
        "folder": "somewhere",
        "overrides": ["model=logreg,mlp_small", "strategy=fedavg,fedprox", "seed=1,2,3,4"],
        "settings": ["model", "strategy"],
        "confidence": 0.95,
        "count": {"jobs": len(jobs), "ok": len(jobs), "failed": 0, "not_done": 0},
        "jobs": jobs,
        "groups": groups,
        "best": {
            "setting": best["setting"],
            "validation_loss": best["mean"]["validation_loss"],
            "n": best["n"],
        },
        "shared_test": {"same": True, "by_seed": {"1": {"loans": 100, "bads": 10}}},
    }


def test_an_effect_is_paired_by_seed_and_averaged_over_the_other_settings() -> None:
    sweep = _sweep()
    (effect,) = main_effects(sweep, "model", "logreg", "auc", 0.25)
    by_seed = []
    for seed in (1, 2, 3, 4):
        auc = {
            (job["overrides"]["model"], job["overrides"]["strategy"]): job["metrics"]["auc"]
            for job in sweep["jobs"]
            if job["seed"] == seed
        }
        pairs = [auc["mlp_small", s] - auc["logreg", s] for s in ("fedavg", "fedprox")]
        by_seed.append(sum(pairs) / 2)
    wanted = resampled_interval(by_seed, 0.25, 0.95, limits=(-float("inf"), float("inf")))
    assert (effect.value, effect.seeds) == ("mlp_small", 4)
    assert effect.interval.value == pytest.approx(wanted.value)
    assert (effect.interval.lo, effect.interval.hi) == pytest.approx((wanted.lo, wanted.hi))
    # Seeds differ far more than the models do; pairing takes that out.
    assert effect.interval.lo > 0.01


def test_unpaired_jobs_and_single_seeds_give_no_effect() -> None:
    sweep = _sweep(seeds=(1,))
    assert main_effects(sweep, "model", "logreg", "auc", 0.0) == []
    sweep = _sweep()
    for job in sweep["jobs"]:
        if job["overrides"]["model"] == "logreg" and job["seed"] > 1:
            job["status"] = "failed"
    assert main_effects(sweep, "model", "logreg", "auc", 0.0) == []


def test_rivals_are_those_that_the_seeds_do_not_tell_apart() -> None:
    sweep = _sweep()
    open_, others = rivals(sweep, 0.25)
    assert others == 3
    assert [group["setting"]["model"] for group in open_] == ["mlp_small"]
    assert len(rivals(_sweep(gap=0.0, noise=0.01), 0.25)[0]) == 3


def test_values_of_numbers_ascend() -> None:
    groups = [{"setting": {"rounds": value}} for value in (12, 4, 8)]
    assert values_of(groups, "rounds") == [4, 8, 12]


@pytest.mark.parametrize(
    ("change", "start"),
    [
        ({}, "cannot be told from it"),
        ({"seeds": (1,)}, "with one seed it cannot be said"),
    ],
)
def test_the_headline_says_how_sure_it_is(change: Any, start: str, page: Any) -> None:
    said = page(render_sweep(_sweep(**change), 0.25, 0.25)).read("en")
    assert start in said.partition("Its loss on validation loans")[0]


def test_a_clear_winner_is_one(page: Any) -> None:
    sweep = _sweep()
    for job in sweep["jobs"]:
        chosen = all(job["overrides"][k] == v for k, v in sweep["best"]["setting"].items())
        job["metrics"]["validation_loss"] += 0.0 if chosen else 0.1
    said = page(render_sweep(sweep, 0.25, 0.25)).read("en")
    assert "every other setting is shown to be worse" in said


def test_no_best_where_losses_do_not_compare(page: Any) -> None:
    sweep = {**_sweep(), "best": None, "shared_test": {"same": False, "by_seed": {}}}
    said = page(render_sweep(sweep)).read("en")
    assert "No best setting can be named" in said
    assert "no test loans in common" in said


def test_the_page_is_well_formed_in_both_languages_and_needs_no_host(page: Any) -> None:
    text = render_sweep(_sweep(), 0.25, 0.25)
    found = page(text)
    assert not re.search(r"https?://|url\(", text)
    assert "Which setting is best" in found.read("en") and "哪种设置最好" in found.read("zh")
    assert set(re.findall(r"[\u4e00-\u9fff]+", found.read("en"))) == {"中文"}
    links = [v for _, name, v in found.attributes if name == "href" and not v.startswith("#")]
    assert links == ["data:,", *(f"{k}/report.html" for k in range(16))]


def test_figures_are_those_of_the_file(page: Any) -> None:
    sweep = _sweep()
    said = page(render_sweep(sweep)).read("en")
    for group in sweep["groups"]:
        mean, sd = group["mean"], group["sd"]
        assert f"{mean['auc']:.4f} ± {sd['auc']:.4f}" in said
        assert f"{mean['validation_loss']:.4f} ± {sd['validation_loss']:.4f}" in said
    assert said.count("+0.0123 [+0.0111, +0.0135]") >= 3
    assert "fed-credit simulate -m model=logreg,mlp_small" in said


def test_failed_jobs_are_named_with_their_sentence_once_and_escaped(page: Any) -> None:
    sweep = _sweep()
    for number in (2, 5):
        sweep["jobs"][number] |= {
            "status": "failed",
            "error": "data.path=<img src=x> does not exist; name one that does.",
            "metrics": {},
        }
    sweep["count"] |= {"ok": 14, "failed": 2}
    text = render_sweep(sweep)
    said = page(text).read("en")
    assert "<img" not in text
    assert said.count("does not exist; name one that does.") == 1
    assert "2 (model=logreg strategy=fedavg seed=3), 5 (" in said
    assert '"2/report.html"' not in text and '"3/report.html"' in text
    assert "14 of 16 jobs ended well, 2 failed" in said


def test_nothing_done_is_said(page: Any) -> None:
    sweep = _sweep()
    for job in sweep["jobs"]:
        job |= {"status": "failed", "error": "No.", "metrics": {}}
    for group in sweep["groups"]:
        group |= {"n": 0, "mean": {}, "sd": {}, "is_reference": False, "reference": None}
    sweep |= {"best": None, "count": {"jobs": 16, "ok": 0, "failed": 16, "not_done": 0}}
    sweep["shared_test"] = {"same": False, "by_seed": {}}
    said = page(render_sweep(sweep)).read("en")
    assert "no job ended well" in said and "0 of 16 jobs" in said


def test_settings_that_change_the_loans_get_no_effect(page: Any) -> None:
    sweep = json.loads(json.dumps(_sweep()).replace('"model"', '"federation.num_institutions"'))
    sweep["shared_test"]["same"] = False
    said = page(render_sweep(sweep)).read("en")
    assert "federation.num_institutions changes which loans are tested" in said
    assert "strategy: difference in test AUC from fedavg" in said


def test_a_search_is_drawn_value_by_value(page: Any) -> None:
    sweep = _sweep(seeds=(1,))
    groups = []
    for k in range(16):
        rate = 0.001 * 1.3**k
        group = copy.deepcopy(sweep["groups"][0])
        sweep["jobs"][k % 4]["overrides"]["model.learning_rate"] = rate
        group |= {"setting": {"model.learning_rate": rate}, "is_reference": k == 0}
        group["mean"]["validation_loss"] = 0.4 + 0.001 * abs(k - 7)
        groups.append(group)
    sweep |= {"settings": ["model.learning_rate"], "groups": groups}
    sweep["best"] |= {"setting": groups[7]["setting"]}
    text = render_sweep(sweep)
    assert "model.learning_rate: validation loss by value" in page(text).read("en")
    assert len(re.findall(r"<circle", text)) == 16


def test_a_sweeps_folder_gives_its_page(tmp_path: Path) -> None:
    sweep = _sweep()
    (tmp_path / "sweep.json").write_text(json.dumps(sweep), encoding="utf-8")
    assert render_folder(tmp_path) == render_sweep(sweep)
    (tmp_path / "0").mkdir()
    counts = {"train": 600, "validation": 200, "test": 150}
    results = {"evaluation": {"split": "random"}, "data": counts}
    (tmp_path / "0" / "results.json").write_text(json.dumps(results), encoding="utf-8")
    assert render_folder(tmp_path) == render_sweep(sweep, 0.25, 1 / 3)
    # Splits that share loans say less than as many that do not.
    assert render_folder(tmp_path) != render_sweep(sweep)
