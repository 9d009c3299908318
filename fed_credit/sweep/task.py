"""One job of a sweep, perhaps in a launcher's own process: it ends in a status, never in an error.

Hydra stops a sweep at the first job that raises, before its end-of-sweep hook. So what goes wrong
becomes the job's status, and the sweep goes on.
"""

from __future__ import annotations

import json
import math
import signal
import sys
import time
import traceback
from dataclasses import replace
from multiprocessing import current_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fed_credit.config.urls import redacted
from fed_credit.errors import FedCreditError
from fed_credit.files import write_text
from fed_credit.interrupts import interrupted
from fed_credit.sweep.settings import fixed, label, values_of
from fed_credit.sweep.status import Status, read_status, write_status

if TYPE_CHECKING:
    from omegaconf import DictConfig

TRACEBACK = "traceback.txt"


def sweep_job(cfg: DictConfig) -> float:
    """Run one job; a job that is done already is not run again, one begun is gone on with.

    Parameters
    ----------
    cfg : DictConfig
        The job's configuration, without the node ``hydra``.

    Returns
    -------
    float
        The federated model's lowest validation loss, mean over repeats: a search chooses on
        validation loans, never on test loans. Infinity for a failed job.
    """
    from hydra.core.hydra_config import HydraConfig

    if current_process().name != "MainProcess":
        # Ctrl-C reaches a launcher's workers too; the sweep itself ends them, without tracebacks.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    hydra = HydraConfig.get()
    number, overrides = int(hydra.job.num), [str(item) for item in hydra.overrides.task]
    folder = near(Path(hydra.runtime.output_dir))
    done = read_status(folder)
    if done is not None and done.ok and done.overrides == overrides:
        return _objective(done)
    (folder / TRACEBACK).unlink(missing_ok=True)
    start = time.perf_counter()
    error = auc = loss = None
    try:
        loss, auc = _run(cfg, folder, overrides)
    except FedCreditError as known:
        if interrupted():
            raise KeyboardInterrupt from None
        error = redacted(str(known))
    except Exception as bug:
        if interrupted():
            raise KeyboardInterrupt from None
        text = redacted(traceback.format_exc())
        print(text, end="", file=sys.stderr, flush=True)
        write_text(folder / TRACEBACK, text)
        said = redacted(" ".join(str(bug).split()))[:200]
        error = f"A bug, {type(bug).__name__} ({said}); see {folder / TRACEBACK}."
    seconds = time.perf_counter() - start
    status = Status(number, overrides, error is None, error, seconds, loss, auc)
    write_status(folder, status)
    return _objective(status)


def _run(cfg: DictConfig, folder: Path, overrides: list[str]) -> tuple[float | None, float | None]:
    """Run, quietly; return validation loss and AUC."""
    from fed_credit.config.load import CONFIG_FILE, to_spec
    from fed_credit.simulate import RESULTS, simulate
    from fed_credit.sweep.plan import PLAN
    from fed_credit.tracking.protocol import SweepJob
    from fed_credit.training.metrics_log import METRICS

    cfg.run_dir = str(folder)
    begun = str(folder) if (folder / CONFIG_FILE).is_file() else None
    plan = json.loads((folder.parent / PLAN).read_text(encoding="utf-8"))
    same = fixed(plan["overrides"])
    values = {key: value for key, value in values_of(overrides).items() if key not in same}
    named = f"{folder.name} {label(values, list(values))}".strip()
    simulate(
        replace(to_spec(cfg), resume=begun, progress=False),
        SweepJob(folder.parent, named),
    )
    results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    return validation_loss(folder / METRICS), results["test"]["federated"]["auc"]


def validation_loss(metrics: Path) -> float | None:
    """Return the lowest loss over the rounds of ``metrics.jsonl``, mean over repeats.

    Parameters
    ----------
    metrics : Path
        The file.

    Returns
    -------
    float or None
        In nats; None if a repeat has measured none.
    """
    best: dict[int, float] = {}
    for line in metrics.read_text(encoding="utf-8").splitlines():
        entry: dict[str, Any] = json.loads(line)
        loss = math.inf if entry["loss"] is None else float(entry["loss"])
        best[entry["repeat"]] = min(loss, best.get(entry["repeat"], math.inf))
    mean = sum(best.values()) / len(best) if best else math.inf
    return mean if math.isfinite(mean) else None


def near(folder: Path) -> Path:
    """Return a folder as the user would name it: relative where it lies below."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def _objective(status: Status) -> float:
    return math.inf if status.validation_loss is None else status.validation_loss
