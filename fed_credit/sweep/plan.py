"""What a sweep will run: every job composed and checked before the first one starts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fed_credit.config.explain import COMPOSITION_ERRORS, explain
from fed_credit.config.load import to_spec
from fed_credit.config.location import conf_dir
from fed_credit.errors import ConfigurationError
from fed_credit.files import write_json
from fed_credit.sweep.settings import SEED, label, values_of, varying

PLAN = "plan.json"
_BASIC = "hydra._internal.core_plugins.basic_"
_PLUGINS = {
    "hydra/launcher=joblib": "hydra_joblib_launcher",
    "hydra/sweeper=optuna": "hydra_optuna_sweeper",
}
_FORMAT = 1


@dataclass(frozen=True)
class Plan:
    """A sweep as it was asked for.

    Parameters
    ----------
    folder : Path
        Of the sweep; jobs lie below, by number.
    overrides : list of str
        As on the command line, sweeps like ``seed=1,2`` included.
    config_dir : Path or None
        Folder of further configuration.
    reference : dict of str to object
        Values of the setting that others are compared with; empty for the first one.
    jobs : list of list of str or None
        Overrides of each job; None where a search draws them as it goes.
    total : int or None
        How many jobs; None if the sweeper does not say.
    at_once : bool
        Whether several jobs may run at the same time.
    progress : bool or None
        Whether to show a bar; None: where there is a terminal.
    """

    folder: Path
    overrides: list[str]
    config_dir: Path | None
    reference: dict[str, Any]
    jobs: list[list[str]] | None
    total: int | None
    at_once: bool
    progress: bool | None

    @property
    def hydra_overrides(self) -> list[str]:
        """What Hydra is given: folders are pinned, since ``${now:}`` would give others."""
        folder = str(self.folder).replace("\\", "\\\\").replace("'", "\\'")
        return [
            *self.overrides,
            f"hydra.sweep.dir='{folder}'",
            "hydra.sweep.subdir=${hydra.job.num}",
        ]


def plan_sweep(
    overrides: Sequence[str],
    config_dir: Path | None,
    reference: Sequence[str] = (),
    folder: Path | None = None,
) -> Plan:
    """Compose and check every job of a sweep.

    Parameters
    ----------
    overrides : sequence of str
        As on the command line.
    config_dir : Path or None
        Folder of further configuration.
    reference : sequence of str
        ``KEY=VALUE`` of the setting to compare with.
    folder : Path or None
        Of the sweep; None takes ``hydra.sweep.dir``.

    Returns
    -------
    Plan

    Raises
    ------
    ConfigurationError
        If a job cannot be composed or has a value that cannot work; names the job.
    """
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    _check_plugins(overrides)
    given = list(overrides)
    if config_dir is not None:
        given.append(f"hydra.searchpath=['{config_dir.resolve().as_uri()}']")
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="simulate"):
            hydra: Any = GlobalHydra.instance().hydra
            master = hydra.compose_config(
                "config", given, run_mode=RunMode.MULTIRUN, with_log_configuration=False
            )
            sweeper, launcher = master.hydra.sweeper, master.hydra.launcher
            jobs = None
            if str(sweeper._target_).startswith(_BASIC):
                params = OmegaConf.select(sweeper, "params") or {}
                jobs = _combinations(
                    hydra.config_loader,
                    [
                        *(f"{key}={value}" for key, value in params.items()),
                        *master.hydra.overrides.task,
                    ],
                )
                _check_jobs(hydra.config_loader, master, jobs)
            where = Path(str(master.hydra.sweep.dir)) if folder is None else folder
            progress = OmegaConf.select(master, "progress")
            trials = None if jobs is not None else OmegaConf.select(sweeper, "n_trials")
    except COMPOSITION_ERRORS as error:
        raise explain(error) from error
    plan = Plan(
        folder=where,
        overrides=list(overrides),
        config_dir=config_dir,
        reference=values_of(reference),
        jobs=jobs,
        total=len(jobs) if jobs is not None else trials,
        at_once=not str(launcher._target_).startswith(_BASIC),
        progress=progress,
    )
    _check_reference(plan)
    return plan


def _check_plugins(overrides: Sequence[str]) -> None:
    for text in overrides:
        package = _PLUGINS.get(text)
        if package is not None and find_spec(f"hydra_plugins.{package}") is None:
            raise ConfigurationError(
                f"{text} needs a plugin of Hydra's: pip install 'fed-credit[sweeps]'."
            )


def _combinations(loader: Any, arguments: list[str]) -> list[list[str]]:
    """Every combination of values, in Hydra's own order."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create(config_loader=loader).parse_overrides(arguments)
    return BasicSweeper.split_arguments(parsed, None)[0]


def _check_jobs(loader: Any, master: Any, jobs: list[list[str]]) -> None:
    from omegaconf import open_dict, read_write

    values = [values_of(job) for job in jobs]
    keys = [*varying(values), SEED]
    for number, job in enumerate(jobs):
        name = f"Job {number} ({label(values[number], keys) or 'no overrides'})"
        try:
            cfg = loader.load_sweep_config(master, list(job))
            with read_write(cfg), open_dict(cfg):
                del cfg["hydra"]
            spec = to_spec(cfg)
        except COMPOSITION_ERRORS as error:
            raise ConfigurationError(f"{name}: {explain(error)}") from error
        except ConfigurationError as error:
            raise ConfigurationError(f"{name}: {error}") from error
        if spec.resume is not None:
            raise ConfigurationError(
                f"{name}: resume cannot be set for a job; write fed-credit simulate resume=FOLDER"
                " with the folder of the sweep."
            )


def _check_reference(plan: Plan) -> None:
    if plan.jobs is None or not plan.reference:
        return
    jobs = [values_of(job) for job in plan.jobs]
    keys = varying(jobs)
    for key in plan.reference:
        if key not in keys:
            raise ConfigurationError(
                f"--reference names {key}, which does not vary in this sweep; choose from"
                f" {', '.join(keys) or 'nothing: only the seed varies'}."
            )
    wanted = plan.reference.items()
    if not any(all(job.get(key) == value for key, value in wanted) for job in jobs):
        raise ConfigurationError(
            f"No job of this sweep has {label(plan.reference, list(plan.reference))}; --reference"
            " must be among the values that are swept."
        )


def save_plan(plan: Plan) -> None:
    """Write a plan into the sweep's folder.

    Raises
    ------
    ConfigurationError
        If the folder holds a sweep already.
    """
    if (plan.folder / PLAN).exists():
        raise ConfigurationError(
            f"{plan.folder} holds a sweep already; go on with it by resume={plan.folder}, or choose"
            " another folder with run_dir=FOLDER."
        )
    write_json(
        plan.folder / PLAN,
        {
            "format": _FORMAT,
            "overrides": plan.overrides,
            "config_dir": None if plan.config_dir is None else str(plan.config_dir.resolve()),
            "reference": [f"{key}={value}" for key, value in _spelled(plan.reference)],
            "jobs": plan.jobs,
        },
    )


def load_plan(folder: Path) -> Plan:
    """Read a sweep's plan and compose its jobs anew.

    Parameters
    ----------
    folder : Path
        Of the sweep.

    Returns
    -------
    Plan

    Raises
    ------
    ConfigurationError
        If the plan cannot be read, or its jobs are others today.
    """
    try:
        body = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        known = body["format"] == _FORMAT
        overrides, jobs, reference = body["overrides"], body["jobs"], body["reference"]
        config_dir = None if body["config_dir"] is None else Path(body["config_dir"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{folder / PLAN} is no sweep's plan ({error}); start the sweep anew."
        ) from None
    if not known:
        raise ConfigurationError(
            f"{folder / PLAN} was written by another version of fed-credit; start the sweep anew."
        )
    plan = plan_sweep(overrides, config_dir, reference, folder)
    if plan.jobs != jobs:
        raise ConfigurationError(
            f"The sweep in {folder} had other jobs: a configuration file has changed since; restore"
            " it, or start anew with run_dir=FOLDER."
        )
    return plan


def _spelled(values: dict[str, Any]) -> list[tuple[str, str]]:
    from fed_credit.config.convert import shown

    return [(key, shown(value)) for key, value in values.items()]
