"""A bank's side of growing trees: from a request to sums over its loans."""

from __future__ import annotations

import numpy as np

from fed_credit.trees.binned import BinnedLoans
from fed_credit.trees.gradients import derivatives, log_loss
from fed_credit.trees.histogram import add_histograms
from fed_credit.trees.request import HISTOGRAM, SCORES, Request
from fed_credit.trees.sampling import rows_at, salt, threshold
from fed_credit.trees.standing import Margins, Standing
from fed_credit.trees.workers import Workers


class TreeBank:
    """One bank's loans, answering requests.

    Parameters
    ----------
    train, validation : BinnedLoans
        The bank's loans, binned on the common cuts.
    last_bins : numpy.ndarray
        Of the common :class:`~fed_credit.trees.binned.Bins`.
    threads : int
        Threads to compute with; they do not change a bit of the answer.
    """

    def __init__(
        self,
        train: BinnedLoans,
        validation: BinnedLoans,
        last_bins: np.ndarray,
        threads: int,
    ) -> None:
        self._last_bins = last_bins
        self._workers = Workers(threads)
        self._train, self._validation = train, validation
        self._standing = Standing(train.codes, last_bins, self._workers)
        self._margins = Margins(self._standing, len(train), self._workers)
        walk = Standing(validation.codes, last_bins, self._workers)
        self._validation_margins = Margins(walk, len(validation), self._workers)
        self._derivatives: tuple[float, np.ndarray] | None = None

    def answer(self, request: Request) -> dict[str, np.ndarray]:
        """Compute what is asked for.

        Parameters
        ----------
        request : Request
            Checked, as :meth:`Request.read` and the server make them.

        Returns
        -------
        dict of str to numpy.ndarray
            int64 arrays in the layout of :meth:`Request.layout`.
        """
        if self._margins.follow(request.base, request.finished):
            self._derivatives = None
        answer: dict[str, np.ndarray] = {}
        if any(len(nodes) for nodes in request.nodes):
            answer.update(zip(HISTOGRAM, self._histograms(request), strict=True))
        if request.scored:
            self._validation_margins.follow(request.base, request.finished)
            scores = [
                value
                for loans, margins in (
                    (self._train, self._margins),
                    (self._validation, self._validation_margins),
                )
                for value in (len(loans), log_loss(margins.values, loans.y, request.offset))
            ]
            answer.update(
                (name, np.array(value)) for name, value in zip(SCORES, scores, strict=True)
            )
        return answer

    def _histograms(self, request: Request) -> np.ndarray:
        second = self._second_order(request.bad_weight)
        size = request.layout(self._last_bins).entries[0].size
        out = np.zeros((len(HISTOGRAM), size), np.int64)
        positions = self._standing.at([request.growing[k] for k in range(len(request.growing))])
        below = threshold(request.row_share)
        first = 0
        for k, nodes in enumerate(request.nodes):
            slots = np.full(len(request.growing[k]), len(nodes), np.int32)
            slots[nodes] = np.arange(len(nodes))
            tree = request.round * len(request.nodes) + k
            sample = salt(request.seed, tree)
            keys = self._train.keys
            rows, ends = rows_at(positions[k], slots, len(nodes), keys, sample, below)
            columns, starts = request.columns[k], request.starts(k, self._last_bins)
            cells = first + np.arange(len(nodes)) * starts[-1]

            def add(
                part: slice,
                rows: np.ndarray = rows,
                ends: np.ndarray = ends,
                columns: np.ndarray = columns,
                starts: np.ndarray = starts,
                cells: np.ndarray = cells,
            ) -> None:
                edges = starts[part.start : part.stop + 1]
                codes = self._train.codes
                add_histograms(codes, second, rows, ends, columns[part], edges, cells, out)

            self._workers.over_columns(len(columns), add)
            first += len(nodes) * int(starts[-1])
        return out

    def _second_order(self, bad_weight: float) -> np.ndarray:
        if self._derivatives is None or self._derivatives[0] != bad_weight:
            made = np.empty((len(self._train), 2), np.int64)

            def derive(rows: slice) -> None:
                made[rows] = derivatives(
                    self._margins.values[rows], self._train.y[rows], bad_weight
                )

            self._workers.over_rows(len(made), derive)
            self._derivatives = (bad_weight, made)
        return self._derivatives[1]
