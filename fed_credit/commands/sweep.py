"""``fed-credit simulate -m``: all jobs of a sweep, then one table over them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fed_credit.config.location import conf_dir
from fed_credit.errors import FedCreditError
from fed_credit.interrupts import interrupted

if TYPE_CHECKING:
    from fed_credit.sweep.plan import Plan

FAILED = 3  # exit code: some jobs failed, all others are done
TABLE, BODY, REPORT = "sweep.csv", "sweep.json", "report.html"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def start_sweep(overrides: Sequence[str], config_dir: Path | None, reference: Sequence[str]) -> int:
    """Run a new sweep.

    Parameters
    ----------
    overrides : sequence of str
        As on the command line.
    config_dir : Path or None
        Folder of further configuration.
    reference : sequence of str
        ``KEY=VALUE`` of the setting to compare with.

    Returns
    -------
    int
        Exit code: 0, or :data:`FAILED`.

    Raises
    ------
    FedCreditError
        If nothing can be run, or the launcher gives up.
    KeyboardInterrupt
        With one sentence on how to go on, after the table of what is done.
    """
    from fed_credit.sweep.plan import plan_sweep, save_plan

    plan = plan_sweep(overrides, config_dir, reference)
    save_plan(plan)
    return _run(plan)


def resume_sweep(folder: Path, progress: bool | None) -> int:
    """Go on with a sweep: jobs done are read back, those begun gone on with, the others run.

    Parameters
    ----------
    folder : Path
        Of the sweep.
    progress : bool or None
        Whether to show a bar.

    Returns
    -------
    int
        Exit code, as of :func:`start_sweep`.

    Raises
    ------
    FedCreditError
        As :func:`start_sweep`; also if the folder's jobs are others today.
    """
    from dataclasses import replace

    from fed_credit.sweep.plan import load_plan

    return _run(replace(load_plan(folder), progress=progress))


def is_sweep(folder: Path) -> bool:
    """Return whether a folder holds a sweep."""
    return (folder / "plan.json").is_file()


def _run(plan: Plan) -> int:
    from fed_credit.sweep.settings import fixed
    from fed_credit.sweep.watch import SweepWatch

    if plan.at_once:
        # Jobs share the cores; each of them must not take all. Read when a worker starts.
        for name in _THREADS:
            os.environ.setdefault(name, "1")
    try:
        with SweepWatch(plan.folder, plan.total, plan.progress, fixed(plan.overrides)):
            _through_hydra(plan)
    except KeyboardInterrupt:
        _end(plan, interrupted=True)
        raise KeyboardInterrupt(f"Go on with: fed-credit simulate resume={plan.folder}") from None
    except FedCreditError:
        _end(plan, interrupted=True)
        if interrupted():
            raise KeyboardInterrupt(
                f"Go on with: fed-credit simulate resume={plan.folder}"
            ) from None
        raise
    return _end(plan)


def _through_hydra(plan: Plan) -> None:
    # Hydra's own printing hides what went wrong behind its advice; the sentence is ours.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    import hydra

    from fed_credit.config.explain import COMPOSITION_ERRORS, explain
    from fed_credit.sweep.task import sweep_job

    command = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")
    further = [] if plan.config_dir is None else ["--config-dir", str(plan.config_dir)]
    # Hydra reads its arguments from here and nowhere else.
    before, sys.argv = sys.argv, [sys.argv[0], "--multirun", *further, *plan.hydra_overrides]
    try:
        command(sweep_job)()
    except COMPOSITION_ERRORS as error:
        raise explain(error) from error
    except Exception as error:
        # Of a launcher or a sweeper: a worker killed for its memory, a search without a result.
        said = " ".join(str(error).split())[:300]
        raise FedCreditError(
            f"The sweep stopped ({type(error).__name__}: {said}); mend that and go on with:"
            f" fed-credit simulate resume={plan.folder}"
        ) from error
    finally:
        sys.argv = before


def _end(plan: Plan, *, interrupted: bool = False) -> int:
    """Compare what is done; return the exit code."""
    from rich.console import Console

    from fed_credit.files import plain, write_json, write_text
    from fed_credit.reporting.html.folder import render_folder
    from fed_credit.sweep.results import read_jobs
    from fed_credit.sweep.summary import summarise
    from fed_credit.sweep.table import csv_text, print_sweep
    from fed_credit.tracking.protocol import RunStatus
    from fed_credit.tracking.session import end_sweep

    jobs = read_jobs(plan)
    if not jobs:
        return FAILED
    body = plain(summarise(plan, jobs))
    write_json(plan.folder / BODY, body)
    write_text(plan.folder / TABLE, csv_text(body))
    console = Console(width=None if sys.stdout.isatty() else 160)
    print_sweep(body, console)
    write_text(plan.folder / REPORT, render_folder(plan.folder))
    said = f"Table: {plan.folder / TABLE}. Report: {plan.folder / REPORT}"
    console.print(said, highlight=False, markup=False, soft_wrap=True)
    failed = bool(body["count"]["failed"])
    ended = RunStatus.FAILED if failed else RunStatus.FINISHED
    end_sweep(
        plan.folder,
        RunStatus.KILLED if interrupted else ended,
        {f"jobs/{name}": float(number) for name, number in body["count"].items()},
        [plan.folder / name for name in (TABLE, BODY, REPORT)],
    )
    return FAILED if failed else 0
