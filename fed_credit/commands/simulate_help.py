"""The help of ``fed-credit simulate``, read from the configuration so that it cannot go stale."""

from __future__ import annotations

from typing import Any

import yaml

from fed_credit.config.convert import shown
from fed_credit.config.location import conf_dir, groups

_KNOBS = {
    "data.path": "file of loan records, for data=sba and data=table",
    "data.decision_point": "when the model decides: application | booking",
    "data.split.kind": "test loans: random | out_of_time",
    "federation.num_institutions": "the k largest institutions; null: all",
    "federation.num_rounds": "rounds of training",
    "federation.local_epochs": "passes over a bank's training loans per round",
    "model.learning_rate": "of AdamW",
    "evaluation.repeats": "seeded splits; several give intervals over splits",
    "seed": "splits, initial weights, batch order",
    "run_dir": "folder of the run",
    "resume": "folder of an interrupted run to go on with",
}
_OPTIONS = {
    "-m, --multirun": "sweep: run each combination of values given as a,b,c",
    "--reference KEY=VALUE": "with -m: what to compare the other values with; else the first",
    "-c, --cfg job": "show the configuration and do not run (also: hydra, all)",
    "--resolve": "with --cfg: fill in every ${...}",
    "--config-dir DIR": "a folder with further groups, models or experiments",
    "--debug": "show the traceback of every error",
    "-h, --help": "this page",
}


def help_text(usage: str) -> str:
    """Return the help page.

    Parameters
    ----------
    usage : str
        The usage line.

    Returns
    -------
    str
        Usage, groups with their options (the default marked), main knobs with their defaults,
        options and examples.
    """
    root = yaml.safe_load((conf_dir() / "config.yaml").read_text(encoding="utf-8"))
    chosen: dict[str, str | None] = {}
    for entry in root["defaults"]:
        if isinstance(entry, dict):
            chosen.update(entry)
    names = {
        group: " | ".join(f"{name}*" if name == chosen.get(group) else name for name in options)
        for group, options in groups().items()
    }
    knobs = {f"{key}={shown(_default(root, chosen, key))}": text for key, text in _KNOBS.items()}
    return "\n".join(
        [
            usage.strip(),
            "",
            "Run a federation on this machine and compare it with its baselines.",
            "",
            "Groups (GROUP=OPTION; * is the default):",
            *_table(names),
            "",
            "Main knobs and their defaults (--cfg job shows all of them):",
            *_table(knobs),
            "",
            "Options:",
            *_table(_OPTIONS),
            "",
            "Examples:",
            "  fed-credit simulate experiment=quick",
            "  fed-credit simulate model=logreg federation.num_rounds=5",
            "  fed-credit simulate data=sba data.path=FILE",
            "  fed-credit simulate -m model=logreg,mlp_small seed=1,2,3",
            "  fed-credit simulate resume=runs/DAY/TIME",
        ]
    )


def _default(root: dict[str, Any], chosen: dict[str, str | None], key: str) -> Any:
    head, *rest = key.split(".")
    if not rest:
        return root[head]
    option = conf_dir() / head / f"{chosen[head]}.yaml" if head in chosen else None
    node = root[head] if option is None else yaml.safe_load(option.read_text(encoding="utf-8"))
    for name in rest:
        node = node[name]
    return node


def _table(rows: dict[str, str]) -> list[str]:
    width = max(len(name) for name in rows)
    return [f"  {name:<{width}}  {text}" for name, text in rows.items()]
