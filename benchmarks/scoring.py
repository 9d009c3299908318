"""What scoring a table costs: ``python -m benchmarks.scoring``.

Synthetic loans in a Parquet file are scored into another by ``fed-credit score``, in a process of
its own for each figure, by a model of each family on the built-in schema with all its features.
``wall`` is the command's time without the start of the interpreter and the imports that precede the
first row, ``whole`` the process's, ``CPU`` what all its threads used; on a machine that does other
things at the same time only the last one says something.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.reading import write_loans

MODELS = {
    "scorecard": ("model=scorecard",),
    "logreg_exact": ("model=logreg_exact",),
    "gbdt": ("model=gbdt", "federation.num_rounds=100", "model.trees.patience=0"),
    "mlp_small": ("model=mlp_small",),
}
"""By name, what the run that makes the model is asked for; 100 trees of depth 4 for ``gbdt``."""

TRAINING = ("data.generator.num_loans=30000", "data.generator.num_institutions=4")
GIB = 2**30

_RUN = """
import contextlib, io, json, resource, sys, time
from fed_credit.commands.score import run_command
import fed_credit.scoring.batch, fed_credit.families.boosted  # pandas, Arrow and numba
told = io.StringIO()
start, cpu = time.perf_counter(), time.process_time()
with contextlib.redirect_stdout(told):
    run_command([*sys.argv[1:], "--json"])
print(json.dumps({
    "wall": time.perf_counter() - start,
    "cpu": time.process_time() - cpu,
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "explained": json.loads(told.getvalue())["explained"],
}))
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Make models and loans, measure, and print a line per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loans", type=int, default=2_000_000)
    parser.add_argument("--folder", type=Path, help="where to write files, and leave them")
    parser.add_argument("--models", nargs="+", choices=tuple(MODELS), default=list(MODELS))
    parser.add_argument("--repeats", type=int, default=3, help="the fastest one counts")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        loans = _loans(folder, options.loans)
        few = _loans(folder, options.loans // 20)
        print(f"{options.loans:,} loans, {loans.stat().st_size / GIB:.2f} GiB of Parquet")
        for name in options.models:
            model = _model(folder, name)
            # A network's reasons take a thousand times as long as its PD.
            cases = [(loans, jobs, "none") for jobs in (1, 2)]
            if name != "mlp_small":
                cases += [(loans, jobs, "declined") for jobs in (1, 2)] + [(few, 2, "all")]
            for path, jobs, reasons in cases:
                size = options.loans if path == loans else options.loans // 20
                given = [str(path), "--model", str(model), "--out", str(folder / "scored.parquet")]
                given += ["--jobs", str(jobs), "--reasons", reasons]
                runs = [_measured(given) for _ in range(options.repeats)]
                best = min(runs, key=lambda run: run["wall"])
                print(
                    f"{name:<13}{jobs} jobs, reasons {reasons:<9}"
                    f"{size / best['wall']:12,.0f} loans/s"
                    f"   whole {size / best['whole']:12,.0f} loans/s"
                    f"   CPU {best['cpu'] / size * 1e6:6.2f} us a loan"
                    f"   {best['explained']:,} explained"
                    f"   peak {best['peak'] / GIB:.2f} GiB",
                    flush=True,
                )


def _loans(folder: Path, loans: int) -> Path:
    path = folder / f"loans-{loans}.parquet"
    if not path.exists():
        write_loans(path, loans)
    return path


def _model(folder: Path, name: str) -> Path:
    run = folder / name
    if not (run / "model.fcm").exists():
        overrides = [*MODELS[name], *TRAINING, f"run_dir='{run}'", "progress=false"]
        command = [sys.executable, "-m", "fed_credit.cli", "simulate", *overrides]
        subprocess.run(command, check=True, capture_output=True)
    return run / "model.fcm"


def _measured(given: Sequence[str]) -> dict[str, float]:
    """Measure in a process of its own, so that its peak memory is its own."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *given], check=True, capture_output=True, text=True
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {**figures, "whole": time.perf_counter() - start}


if __name__ == "__main__":
    main()
