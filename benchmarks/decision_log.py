"""What it costs to log a decision: ``python -m benchmarks.decision_log [FOLDER]``.

Microseconds for a decision, by the clock and of the processor, in transactions of several sizes, by
the log and by the group committer of the service with several clients; durable or not, beside what
the disk takes for one ``fsync`` in the same run. The best of several, since others use the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from fed_credit.decision_log.committer import GroupCommitter
from fed_credit.decision_log.log import DecisionLog
from fed_credit.decision_log.records import Decision, decision_row, new_id
from fed_credit.storage.clock import now

Took = tuple[float, float]

_SIZES = (1, 8, 32)
_DECISIONS, _REPEATS = 512, 7


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark and print one line per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="on the disk to measure")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
        folder = Path(temporary)
        decisions = [_made() for _ in range(_DECISIONS)]
        print(f"a decision: {len(decision_row(_made()).content):,} bytes of JSON")
        print(f"{'microseconds':<28}{'clock':>10}{'processor':>12}")
        _tell("one fsync of 4 KiB", _best(lambda: _fsync(folder)))
        _tell("a decision as JSON", _best(lambda: _encode(decisions)))
        for durable in (True, False):
            name = "durable" if durable else "not durable"
            with DecisionLog.open(folder / f"{name}.db", create=True, durable=durable) as log:
                for size in _SIZES:
                    _tell(f"{name}, {size} together", _best(_writing(log, size)))
                for clients in _SIZES:
                    _tell(f"{name}, {clients} clients", _best(_committing(log, clients)))


def _tell(what: str, took: Took) -> None:
    print(f"{what:<28}{took[0] * 1e6:10.1f}{took[1] * 1e6:12.1f}")


def _best(run: Callable[[], Took]) -> Took:
    """Return the shortest of several runs, by each measure."""
    clock, processor = zip(*(run() for _ in range(_REPEATS)), strict=True)
    return min(clock), min(processor)


class _Watch:
    """How long something takes, by the clock and of the processor."""

    def __init__(self) -> None:
        self._start = (time.perf_counter(), time.process_time())

    def each(self, times: int) -> Took:
        clock, processor = self._start
        return (time.perf_counter() - clock) / times, (time.process_time() - processor) / times


def _fsync(folder: Path) -> Took:
    file = os.open(folder / "file", os.O_WRONLY | os.O_CREAT)
    watch = _Watch()
    for _ in range(50):
        os.pwrite(file, b"x" * 4096, 0)
        os.fsync(file)
    took = watch.each(50)
    os.close(file)
    return took


def _encode(decisions: Sequence[Decision]) -> Took:
    watch = _Watch()
    for decision in decisions:
        decision_row(decision)
    return watch.each(len(decisions))


def _writing(log: DecisionLog, size: int) -> Callable[[], Took]:
    def run() -> Took:
        batches = [[_made() for _ in range(size)] for _ in range(max(_DECISIONS // size, 16))]
        watch = _Watch()
        for batch in batches:
            log.append(batch)
        return watch.each(size * len(batches))

    return run


def _committing(log: DecisionLog, clients: int) -> Callable[[], Took]:
    async def client(committer: GroupCommitter, own: Sequence[Decision]) -> None:
        for decision in own:
            await committer.put(decision)

    async def all_of_them() -> Took:
        committer = GroupCommitter(log)
        decisions = [_made() for _ in range(_DECISIONS)]
        watch = _Watch()
        await asyncio.gather(*(client(committer, decisions[k::clients]) for k in range(clients)))
        took = watch.each(len(decisions))
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
