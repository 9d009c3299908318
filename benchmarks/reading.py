"""What reading costs: ``python -m benchmarks.reading``.

Synthetic loans in a Parquet file become a data set, validated, typed and labelled, in a process of
its own; beside it the bare pyarrow reader over the same columns of the same file.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from fed_credit.config.load import compose
from fed_credit.config.location import schema_dir
from fed_credit.data.load import load_dataset
from fed_credit.data.synthetic import generate

BLOCK = 250_000
GIB = 2**30


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the loans, measure both readers, and print one line per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loans", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="where to write the file, and leave it")
    parser.add_argument("--measure", choices=("bare", "dataset"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        path = (options.folder or Path(temporary)) / f"loans-{options.loans}.parquet"
        if options.measure:
            print(json.dumps(_bare(path) if options.measure == "bare" else _dataset(path)))
            return
        if not path.exists():
            start = time.perf_counter()
            write_loans(path, options.loans)
            print(f"{options.loans:,} loans written in {time.perf_counter() - start:.0f} s")
        file = pyarrow.parquet.ParquetFile(path)
        columns, size = len(file.schema_arrow.names), path.stat().st_size
        print(f"{options.loans:,} loans, {columns} columns, {size / GIB:.2f} GiB of Parquet")
        figures = {kind: _measured(kind, path, options.loans) for kind in ("bare", "dataset")}
        for kind, figure in figures.items():
            print(
                f"{kind:<8}{figure['seconds']:7.1f} s"
                f"{options.loans / figure['seconds']:14,.0f} loans/s"
                f"   peak {figure['peak'] / GIB:.2f} GiB"
                f"   of that the result {figure['kept'] / GIB:.2f} GiB"
            )
        print(
            f"loans used {figures['dataset']['used']:,}, {figures['dataset']['features']} features"
        )
        print(
            f"time against bare {figures['dataset']['seconds'] / figures['bare']['seconds']:.1f}x"
        )


def write_loans(path: Path, loans: int) -> None:
    """Write synthetic loans block by block, each of its own seed, with identifiers of their own."""
    spec = compose(["data=synthetic"]).data.generator
    writer = None
    for number, start in enumerate(range(0, loans, BLOCK)):
        size = min(BLOCK, loans - start)
        frame = generate(replace(spec, num_loans=size, seed=spec.seed + number))
        for name in ("loan_id", "firm_id"):
            frame[name] = f"{number:03d}-" + frame[name]
        for name in frame.columns:
            if isinstance(frame[name].dtype, pd.CategoricalDtype):
                frame[name] = frame[name].astype("str")
        table = pa.Table.from_pandas(frame, preserve_index=False)
        writer = writer or pyarrow.parquet.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=BLOCK)
    if writer is not None:
        writer.close()


def _measured(kind: str, path: Path, loans: int) -> dict[str, float]:
    """Measure in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, "-m", "benchmarks.reading", "--measure", kind]
    command += ["--folder", str(path.parent), "--loans", str(loans)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _bare(path: Path) -> dict[str, float]:
    start, rows, kept = time.perf_counter(), 0, 0
    for batch in pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=BLOCK):
        rows, kept = rows + batch.num_rows, max(kept, batch.nbytes)
    return {"seconds": time.perf_counter() - start, "peak": _peak(), "kept": kept, "rows": rows}


def _dataset(path: Path) -> dict[str, float]:
    overrides = ["data=table", f"data.path='{path}'", "data.schema=synthetic"]
    overrides += ["data.target.window_months=24", "data.target.as_of=2024-12-31"]
    spec = compose(overrides)
    start = time.perf_counter()
    dataset = load_dataset(spec.data, num_institutions=None, schema_dir=schema_dir(), seed=7)
    seconds = time.perf_counter() - start
    arrays = (dataset.y, dataset.exposure, dataset.firm, dataset.decided, dataset.loan_id)
    kept = int(dataset.features.memory_usage(index=False).sum())
    kept += sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))
    return {
        "seconds": seconds,
        "peak": _peak(),
        "kept": kept,
        "used": len(dataset),
        "features": dataset.features.shape[1],
    }


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
