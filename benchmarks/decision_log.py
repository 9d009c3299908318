"""What it costs to log a decision: ``python -m benchmarks.decision_log [FOLDER]``.

Microseconds for a decision in transactions of several sizes, durable or not, by the log and by the
group committer of the service with several clients, beside what the disk takes for one ``fsync`` in
the same run; the best of several, since others use the machine too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from fed_credit.decision_log.committer import GroupCommitter
from fed_credit.decision_log.log import DecisionLog
from fed_credit.decision_log.records import Decision, decision_row, new_id
from fed_credit.storage.clock import now

_SIZES = (1, 8, 32)
_DECISIONS, _REPEATS = 512, 7


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark and print one line per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="on the disk to measure")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
        folder = Path(temporary)
        print(f"one fsync of 4 KiB        {_best(lambda: _fsync(folder)):8.0f} us")
        decisions = [_made() for _ in range(_DECISIONS)]
        print(f"a decision as JSON        {_best(lambda: _encode(decisions)):8.1f} us")
        print(f"its length                {len(decision_row(_made()).content):8,} bytes")
        for durable in (True, False):
            name = "durable" if durable else "not durable"
            with DecisionLog.open(folder / f"{name}.db", create=True, durable=durable) as log:
                for size in _SIZES:
                    print(f"{name:<12} in {size:>2} together  {_best(_writing(log, size)):8.1f} us")
                for clients in _SIZES:
                    cost = _best(_committing(log, clients))
                    print(f"{name:<12} {clients:>2} clients       {cost:8.1f} us")


def _best(seconds: object) -> float:
    """Return the shortest of several runs, in microseconds."""
    assert callable(seconds)
    return min(float(seconds()) for _ in range(_REPEATS)) * 1e6


def _fsync(folder: Path) -> float:
    file = os.open(folder / "file", os.O_WRONLY | os.O_CREAT)
    start = time.perf_counter()
    for _ in range(50):
        os.pwrite(file, b"x" * 4096, 0)
        os.fsync(file)
    took = (time.perf_counter() - start) / 50
    os.close(file)
    return took


def _encode(decisions: Sequence[Decision]) -> float:
    start = time.perf_counter()
    for decision in decisions:
        decision_row(decision)
    return (time.perf_counter() - start) / len(decisions)


def _writing(log: DecisionLog, size: int) -> object:
    def run() -> float:
        batches = [[_made() for _ in range(size)] for _ in range(max(_DECISIONS // size, 16))]
        start = time.perf_counter()
        for batch in batches:
            log.append(batch)
        return (time.perf_counter() - start) / (size * len(batches))

    return run


def _committing(log: DecisionLog, clients: int) -> object:
    async def client(committer: GroupCommitter, own: Sequence[Decision]) -> None:
        for decision in own:
            await committer.put(decision)

    async def all_of_them() -> float:
        committer = GroupCommitter(log)
        decisions = [_made() for _ in range(_DECISIONS)]
        start = time.perf_counter()
        await asyncio.gather(*(client(committer, decisions[k::clients]) for k in range(clients)))
        took = (time.perf_counter() - start) / len(decisions)
        await committer.close()
        return took

    return lambda: asyncio.run(all_of_them())


def _made() -> Decision:
    reason = {
        "feature": "firm_age",
        "value": 36.0,
        "amount": 21.0,
        "unit": "points",
        "en": "Age of the firm is 36 months: 21 points fewer than the best class.",
        "zh": "企业成立时间为36 个月：比最优档少 21 分。",
    }
    return Decision(
        id=new_id(),
        time=now(),
        application="A-2024-000123",
        model=1,
        model_sha256="a" * 64,
        inputs={f"input_{k}": k / 7 for k in range(20)},
        model_pd=0.07123456789,
        pd=0.06987654321,
        score=612,
        grade="BB",
        verdict="decline",
        reasons=(reason, reason, reason),
        key="7235cb49",
        shadow=None,
    )


if __name__ == "__main__":
    main()
