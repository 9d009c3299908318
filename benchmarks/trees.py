"""What boosted trees from sums cost: ``python -m benchmarks.trees``.

Seconds per tree of our trainer over several banks, beside XGBoost's ``hist`` on the pooled loans
with as many bins; how that grows with loans and with banks; memory; scoring and reasons. Each
figure comes from a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fed_credit.trees.binned import BinnedLoans, Bins
from fed_credit.trees.central import Trained, train
from fed_credit.trees.reasons import Reasons
from fed_credit.trees.spec import BoostingSpec

GIB = 2**30
INFORMATIVE = 12
REASONS = 20_000


@dataclass(frozen=True)
class Case:
    """One measurement.

    Parameters
    ----------
    trainer : str
        ``ours`` or ``xgboost``.
    loans, columns, banks, bins, depth, rounds, threads : int
        Its size.
    """

    trainer: str
    loans: int
    columns: int
    banks: int
    bins: int
    depth: int
    rounds: int
    threads: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print one line per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loans", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=30)
    parser.add_argument("--banks", type=int, default=10)
    parser.add_argument("--bins", type=int, default=256)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = vars(parser.parse_args(arguments))
    if measure := options.pop("measure"):
        print(json.dumps(_measure(Case(**json.loads(measure)))))
        return
    case = Case("ours", **options)
    print(
        f"{case.loans:,} loans, {case.columns} columns, {case.bins} bins, depth {case.depth},"
        f" {case.rounds} trees, {case.threads} threads"
    )
    ours = _report(f"ours, {case.banks} banks", case)
    theirs = _report("XGBoost hist, pooled", _like(case, trainer="xgboost"))
    if theirs:
        print(f"time against XGBoost {ours['seconds'] / theirs['seconds']:.2f}x")
    traffic = 8 * ours["cells"] / 2**20 / case.rounds
    print(f"{ours['exchanges']:.0f} exchanges, {traffic:.1f} MiB a tree from each bank")
    print(f"{ours['scored']:,.0f} loans/s scored, {ours['explained']:,.0f} loans/s explained")
    for part in (4, 2):
        _report(f"ours, 1/{part} of the loans", _like(case, loans=case.loans // part))
    for banks in (1, 5 * case.banks):
        _report(f"ours, {banks} bank{'s' * (banks > 1)}", _like(case, banks=banks))


def _like(case: Case, **changes: object) -> Case:
    return Case(**{**vars(case), **changes})  # type: ignore[arg-type]


def _report(what: str, case: Case) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.trees", "--measure", json.dumps(vars(case))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if not figures:
        print(f"{what:<28} not installed (extra 'trees')")
        return figures
    print(
        f"{what:<28}{1000 * figures['seconds']:8.0f} ms a tree, {1000 * figures['cpu']:.0f} of CPU"
        f"   binned in {figures['binned']:5.1f} s   peak {figures['peak'] / GIB:.2f} GiB"
        f"   AUC {figures['auc']:.4f}",
        flush=True,
    )
    return figures


def _loans(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Draw loans: some columns tell, most are smooth, some rounded, a few values are missing."""
    rng = np.random.default_rng(5)
    matrix = rng.standard_normal((case.loans, case.columns), dtype=np.float32)
    told = matrix[:, :INFORMATIVE] @ rng.normal(size=min(INFORMATIVE, case.columns)) * 0.4
    told += 0.5 * matrix[:, 0] * matrix[:, 1] - 2.5
    matrix[:, 1::3] = np.round(matrix[:, 1::3] * 4)
    y = (rng.random(case.loans) < 1 / (1 + np.exp(-told))).astype(np.int8)
    for column in range(0, case.columns, 2):
        matrix[rng.random(case.loans) < 0.05, column] = np.nan
    return matrix, y


def _measure(case: Case) -> dict[str, float]:
    matrix, y = _loans(case)
    figures = _ours(case, matrix, y) if case.trainer == "ours" else _xgboost(case, matrix, y)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {**figures, "peak": peak} if figures else figures


def _ours(case: Case, matrix: np.ndarray, y: np.ndarray) -> dict[str, float]:
    start = time.perf_counter()
    shares = np.linspace(0, 1, case.bins)[1:-1]
    some = matrix[:: max(1, len(matrix) // 100_000)]
    bins = Bins.of({f"x{k}": np.nanquantile(some[:, k], shares) for k in range(case.columns)})
    codes = bins.codes(matrix)
    binned = time.perf_counter() - start
    loans = BinnedLoans(codes, y, np.arange(len(y), dtype=np.uint64))
    _train(case, bins, loans.take(slice(2000)), rounds=1)  # compiles, or reads machine code
    start, cpu = time.perf_counter(), time.process_time()
    trained = _train(case, bins, loans, case.rounds)
    seconds = (time.perf_counter() - start) / case.rounds
    cpu = (time.process_time() - cpu) / case.rounds
    ensemble = trained.ensemble
    ensemble.margins(matrix[:10])
    start = time.perf_counter()
    scores = ensemble.margins(matrix, case.threads)
    scored = len(matrix) / (time.perf_counter() - start)
    reasons, few = Reasons(ensemble), matrix[:REASONS]
    reasons.contributions(few[:10])
    start = time.perf_counter()
    reasons.contributions(few, case.threads)
    explained = len(few) / (time.perf_counter() - start)
    return {
        "seconds": seconds,
        "cpu": cpu,
        "binned": binned,
        "auc": _auc(y, scores),
        "exchanges": trained.exchanges,
        "cells": trained.cells,
        "scored": scored,
        "explained": explained,
    }


def _train(case: Case, bins: Bins, loans: BinnedLoans, rounds: int) -> Trained:
    edges = np.linspace(0, len(loans), case.banks + 1).astype(int)
    none = loans.take(slice(0))
    books = [(loans.take(slice(edges[k], edges[k + 1])), none) for k in range(case.banks)]
    spec = BoostingSpec(
        rounds=rounds,
        trees_per_round=1,
        max_depth=case.depth,
        learning_rate=0.1,
        l2=1.0,
        min_gain=0.0,
        min_child_weight=1.0,
        min_child_loans=1,
        row_share=1.0,
        column_share=1.0,
        monotone={},
        bad_weight=1.0,
        bad_rates=False,
        patience=0,
        subtract_siblings=True,
        seed=1,
    )
    return train(bins, books, spec, case.threads)


def _xgboost(case: Case, matrix: np.ndarray, y: np.ndarray) -> dict[str, float]:
    try:
        import xgboost
    except ImportError:
        return {}
    parameters = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_bin": case.bins,
        "max_depth": case.depth,
        "eta": 0.1,
        "nthread": case.threads,
    }
    start = time.perf_counter()
    pooled = xgboost.QuantileDMatrix(matrix, y, max_bin=case.bins, nthread=case.threads)
    binned = time.perf_counter() - start
    start, cpu = time.perf_counter(), time.process_time()
    booster = xgboost.train(parameters, pooled, case.rounds)
    seconds = (time.perf_counter() - start) / case.rounds
    cpu = (time.process_time() - cpu) / case.rounds
    return {
        "seconds": seconds,
        "cpu": cpu,
        "binned": binned,
        "auc": _auc(y, booster.predict(pooled)),
    }


def _auc(y: np.ndarray, scores: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y, scores))


if __name__ == "__main__":
    main()
