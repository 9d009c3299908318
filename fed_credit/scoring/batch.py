"""Scoring a table of any size: read, checked, scored and written chunk by chunk, in order.

Chunks are independent, so several are worked on at once by threads: nearly all their time passes in
loops of NumPy, Arrow and compiled code, which release the interpreter's lock. Reading and writing
stay with the calling thread. At most one chunk more than there are threads is in memory, besides
the group of rows that is about to be written.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from fed_credit.decision.policy import VERDICTS
from fed_credit.errors import ConfigurationError
from fed_credit.files import plain
from fed_credit.scoring.options import BatchOptions
from fed_credit.scoring.outputs import LoanWriter, check_place, explained, written
from fed_credit.scoring.result import Scores
from fed_credit.scoring.scorer import Scorer
from fed_credit.scoring.source import Chunk, LoanSource
from fed_credit.scoring.summary import Summary

METADATA = b"fed_credit"
"""Key of the Parquet file's metadata under which the model is named, as JSON."""

_ROW, _RESULTS = "row", ("pd", "score", "grade", "decision")


@dataclass(frozen=True, eq=False)
class ScoredChunk:
    """What becomes of a chunk: scored loans, rejected rows, and counts."""

    loans: pa.RecordBatch
    rejected: pd.DataFrame
    summary: Summary


class BatchScorer:
    """Scores chunks of one source by one model.

    Parameters
    ----------
    scorer : Scorer
        The model.
    source : LoanSource
        The table.
    options : BatchOptions
        What is written of each loan.
    about : mapping of str to object
        What the output says of the model: plain values.

    Raises
    ------
    ConfigurationError
        If a kept column has the name of a column of the output.
    """

    def __init__(
        self,
        scorer: Scorer,
        source: LoanSource,
        options: BatchOptions,
        about: Mapping[str, Any],
    ) -> None:
        self._scorer, self._source, self._options = scorer, source, options
        self._metadata = {METADATA: json.dumps(dict(about), ensure_ascii=False).encode()}
        policy = scorer.model.policy
        self._grades = pa.array(policy.scale.names, pa.string())
        self._verdicts = pa.array([str(verdict) for verdict in VERDICTS], pa.string())
        own = {_ROW, *_RESULTS, *(name for _, _, name in options.reason_columns)}
        taken = [name for name in source.kept if name in own]
        if taken:
            raise ConfigurationError(
                f"The column '{taken[0]}' of {source.where} has the name of a column of the"
                " output; rename it, or leave it out with --keep."
            )

    def score(self, chunk: Chunk) -> ScoredChunk:
        """Score a chunk; the result does not depend on the chunks around it."""
        scorer, options = self._scorer, self._options
        index = pd.RangeIndex(chunk.start, chunk.start + chunk.size)
        checked = self._source.intake.take(chunk.columns, index)
        matrix = scorer.matrix(checked.frame)
        scores = scorer.scored(matrix)
        rows = scorer.explained(scores, options.explain)
        columns = self._columns(chunk, checked.frame.index.to_numpy(np.int64), scores)
        columns |= self._reasons(checked.frame, matrix, rows)
        loans = pa.RecordBatch.from_pydict(columns, metadata=self._metadata)
        summary = Summary.of(chunk.size, scores, checked.rejected, len(rows))
        return ScoredChunk(loans, checked.rejected, summary)

    def _columns(self, chunk: Chunk, rows: np.ndarray, scores: Scores) -> dict[str, pa.Array]:
        whole = len(rows) == chunk.size
        taken = pa.array(rows - chunk.start)
        kept = {name: array if whole else array.take(taken) for name, array in chunk.kept.items()}
        grade = pa.array(scores.grade.astype(np.int8))
        verdict = pa.array(scores.verdict)
        results = (
            pa.array(scores.pd),
            pa.array(scores.score),
            pa.DictionaryArray.from_arrays(grade, self._grades),
            pa.DictionaryArray.from_arrays(verdict, self._verdicts),
        )
        return {_ROW: pa.array(rows + 1), **kept, **dict(zip(_RESULTS, results, strict=True))}

    def _reasons(
        self, frame: pd.DataFrame, matrix: np.ndarray, rows: np.ndarray
    ) -> dict[str, pa.Array]:
        wanted = self._options.reason_columns
        if not wanted:
            return {}
        found = self._scorer.ranked(matrix[rows], self._options.top) if len(rows) else None
        if found is None:
            return {name: pa.nulls(len(frame), pa.string()) for _, _, name in wanted}
        told = self._scorer.told(found, frame.iloc[rows], self._options.languages)
        where = np.full(len(frame), -1, np.int64)
        where[rows] = np.arange(len(rows))
        positions = pa.array(where, mask=where < 0)
        places = found[0].features.shape[1]
        return {
            name: getattr(told, language).slice(place * len(rows), len(rows)).take(positions)
            if place < places
            else pa.nulls(len(frame), pa.string())
            for place, language, name in wanted
        }

    def chunks(self) -> Iterator[ScoredChunk]:
        """Score the source chunk by chunk, several at once, and give them in order."""
        jobs = self._options.jobs
        waiting: deque[Future[ScoredChunk]] = deque()
        with ThreadPoolExecutor(jobs) as pool:
            try:
                for chunk in self._source.chunks(self._options.rows):
                    waiting.append(pool.submit(self.score, chunk))
                    if len(waiting) > jobs:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()


@dataclass(frozen=True)
class Places:
    """Where the files go that scoring writes.

    Parameters
    ----------
    loans : Path
        The scored loans: Parquet or CSV, as the suffix says.
    rejected : Path
        The rejected rows, as CSV.
    summary : Path
        The counts, as JSON.
    """

    loans: Path
    rejected: Path
    summary: Path

    @classmethod
    def beside(cls, out: Path, rejected: Path | None = None) -> Places:
        """Put the other files beside the scored loans, under names that begin as theirs."""
        aside = out.with_suffix(".rejected.csv") if rejected is None else rejected
        return cls(out, aside, out.with_suffix(".summary.json"))


def score_file(
    scorer: Scorer,
    source: LoanSource,
    places: Places,
    options: BatchOptions,
    about: Mapping[str, Any],
    progress: Callable[[int], None] = lambda rows: None,
) -> Summary:
    """Score a table into a file; equal loans give equal bytes, whatever the chunks and threads.

    Parameters
    ----------
    scorer : Scorer
        The model.
    source : LoanSource
        The table.
    places : Places
        Where the files go; they are replaced when all is done, the scored loans last.
    options : BatchOptions
        What is written of each loan.
    about : mapping of str to object
        What the files say of the model: plain values.
    progress : callable
        Takes the number of rows that are done, now and then.

    Returns
    -------
    Summary

    Raises
    ------
    DataError
        If the table cannot be read to its end, or has no rows.
    CannotWriteError
        If a file cannot be written.
    ConfigurationError
        If the place says nothing of the format, or two columns would have one name.
    """
    check_place(places.loans)
    batch = BatchScorer(scorer, source, options, about)
    total = Summary()
    with written([places.rejected, places.summary, places.loans]) as (aside, sums, loans):
        writer: LoanWriter | None = None
        with aside.open("a", encoding="utf-8", newline="") as rejected:
            for done in batch.chunks():
                if writer is None:
                    writer = LoanWriter(loans, places.loans, done.loans.schema)
                writer.write(done.loans)
                with explained(places.rejected):
                    done.rejected.to_csv(rejected, index=False, header=total.rows == 0)
                total.add(done.summary)
                progress(total.rows)
        assert writer is not None  # a table without rows is refused when it is read
        writer.close()
        with explained(places.summary):
            body = {**total.as_dict(scorer.model.policy), "model": dict(about)}
            sums.write_text(
                json.dumps(plain(body), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
            )
    return total
