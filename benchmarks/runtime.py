"""What the runtimes cost: ``python -m benchmarks.runtime``.

Three ratios, each measured within this run: the ``local`` runtime against a plain PyTorch loop that
takes the same steps and evaluates the same models, against Flower's engine on the same app
including its start, and peak memory at 200 banks against 10 for the same loans in all.
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
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fed_credit.config.load import compose
from fed_credit.config.location import schema_dir
from fed_credit.config.spec import RuntimeKind, SimulationSpec
from fed_credit.data.book import Dataset, Part
from fed_credit.data.load import load_dataset
from fed_credit.data.split import assign_parts
from fed_credit.job import FederatedJob
from fed_credit.runtime.run import node_names, run_federated
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.state import TrainingState

# The 13 largest banks of the SBA sample: 15,857 loans, four fifths of them for training.
BANKS, LOANS, ROUNDS = 13, 18_260, 20
MEMORY_BANKS, MEMORY_LOANS = (10, 200), 200_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks and print one line per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--skip-engine", action="store_true", help="leave out Flower's engine")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.memory_of is not None:
        print(json.dumps(_peak_memory(options.memory_of)))
        return
    spec, dataset, parts = _setting(BANKS, LOANS, ROUNDS, ["model=mlp_medium"])
    print(f"{BANKS} banks, {len(dataset):,} loans, {ROUNDS} rounds, hidden {spec.model.hidden}")
    states = _federate(spec, dataset, parts)[1]  # warms up what PyTorch imports at its first step
    # The best of several for each, in turn, so that a busy moment hits neither alone.
    local, plain = [], []
    for _ in range(9):
        local.append(_federate(spec, dataset, parts)[0])
        plain.append(_plain_loop(spec, dataset, parts, states[0]))
    ratio = min(local) / min(plain)
    print(f"plain PyTorch loop        {min(plain):7.2f} s")
    print(f"local runtime, rounds     {min(local):7.2f} s  {ratio:.2f}x (at most 1.15x)")
    if not options.skip_engine:
        start = time.perf_counter()
        _federate(spec, dataset, parts)
        whole = time.perf_counter() - start
        start = time.perf_counter()
        engine_spec = replace(spec, runtime=replace(spec.runtime, kind=RuntimeKind.SIMULATION))
        _federate(engine_spec, dataset, parts)
        engine = time.perf_counter() - start
        print(f"local runtime, whole job  {whole:7.2f} s")
        print(
            f"Flower's engine, whole    {engine:7.2f} s  {engine / whole:.1f}x slower (at least 4x)"
        )
    few, many = (_memory_in_process(banks) for banks in MEMORY_BANKS)
    print(
        f"peak memory, {MEMORY_LOANS:,} loans: {few:.0f} MB at {MEMORY_BANKS[0]} banks,"
        f" {many:.0f} MB at {MEMORY_BANKS[1]}  {many / few:.2f}x (at most 1.3x)"
    )


def _setting(
    banks: int, loans: int, rounds: int, overrides: Sequence[str]
) -> tuple[SimulationSpec, Dataset, np.ndarray]:
    spec = compose(
        [
            f"data.generator.num_institutions={banks}",
            f"data.generator.num_loans={loans}",
            f"federation.num_rounds={rounds}",
            "data.min_loans=1",
            "data.split.kind=random",
            "data.split.test_share=0.1",
            "data.split.validation_share=0.1",
            *overrides,
        ]
    )
    dataset = load_dataset(
        spec.data, num_institutions=None, schema_dir=schema_dir(), seed=spec.seed
    )
    parts = assign_parts(dataset, spec.data.split, spec.data.target.window_months, spec.seed)
    return spec, dataset, parts


def _federate(
    spec: SimulationSpec, dataset: Dataset, parts: np.ndarray
) -> tuple[float, list[TrainingState]]:
    """Run the federation; return the seconds from the first round to the last evaluation."""
    local = spec.runtime.kind is RuntimeKind.LOCAL
    run_spec = RunSpec.of(spec, dataset.schema, dataset.fields, spec.seed)
    clock: list[float] = []
    job = FederatedJob(
        spec=run_spec,
        strategy=spec.strategy,
        federation=spec.federation,
        institutions=len(dataset.names),
        names=node_names(dataset) if local else None,
        state=None,
        after_round=lambda state: clock.append(time.perf_counter()),
    )
    with tempfile.TemporaryDirectory() as folder:
        outcome = run_federated(spec.runtime, dataset, parts, job, Path(folder))
    # The first round also prepares the banks' matrices, which the plain loop is given: it counts
    # as the mean of the others.
    rounds = np.diff(clock)
    return float(rounds.sum() + rounds[:-1].mean()), [outcome.state]


def _plain_loop(
    spec: SimulationSpec, dataset: Dataset, parts: np.ndarray, state: TrainingState
) -> float:
    """Do the same steps with nothing but PyTorch; return its seconds."""
    torch.set_num_threads(spec.runtime.torch_threads)
    banks = []
    for k in range(len(dataset.names)):
        rows = dataset.rows(k)
        x = state.preprocessor.transform(dataset.features.iloc[rows])
        y = dataset.y[rows].astype(np.float32)
        chosen = [parts[rows] == part for part in (Part.TRAIN, Part.VALIDATION)]
        banks.append([torch.from_numpy(array[of]) for of in chosen for array in (x, y)])
    widths = [len(state.preprocessor.columns), *spec.model.hidden, 1]
    layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
    model = nn.Sequential(*layers[:-1], nn.Flatten(0))
    loss = nn.BCEWithLogitsLoss()
    start = time.perf_counter()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    for _ in range(spec.federation.num_rounds):
        total = sum(len(bank[1]) for bank in banks)
        mean = {name: torch.zeros_like(value) for name, value in weights.items()}
        for train_x, train_y, validation_x, validation_y in banks:
            model.load_state_dict(weights)
            with torch.inference_mode():
                loss(model(validation_x), validation_y).item()
            optimiser = torch.optim.AdamW(
                model.parameters(),
                lr=spec.model.learning_rate,
                weight_decay=spec.model.weight_decay,
                fused=True,
            )
            for _ in range(spec.federation.local_epochs):
                order = torch.randperm(len(train_y))
                batches = (
                    torch.split(array[order], spec.model.batch_size) for array in (train_x, train_y)
                )
                for x_batch, y_batch in zip(*batches, strict=True):
                    optimiser.zero_grad()
                    loss(model(x_batch), y_batch).backward()
                    optimiser.step()
            for name, value in model.state_dict().items():
                mean[name] += value * (len(train_y) / total)
        weights = mean
    return time.perf_counter() - start


def _memory_in_process(banks: int) -> float:
    """Return the peak memory in MB of a federation in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.runtime", "--memory-of", str(banks)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.strip().splitlines()[-1]))


def _peak_memory(banks: int) -> float:
    spec, dataset, parts = _setting(banks, MEMORY_LOANS, 2, ["model=mlp_small"])
    _federate(spec, dataset, parts)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
