"""What sums say of one numeric feature's distribution, and the cuts that follow from it.

Where the loans fill no more than ``max_bins`` cells, each gets a bin: one per distinct value, as
far as two values are 1/4096 apart. Otherwise the cuts are quantiles of the pooled loans. A quantile
among loans of one value is cut before or behind them, whichever is nearer in rank; one in a cell of
several values is known as well as the cell is light. Values that agree to one in a million count as
one. Cuts are put at round numbers where that moves no more loans than the tolerance admits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fed_credit.config.scorecard import CutsSpec
from fed_credit.features.cells import WHOLE, Cell, Place, bin_cell, refinable
from fed_credit.features.decimals import shortest_decimal, significant_digits

_SHORT = 6  # digits by which a reader recognises a value


class NumberLine:
    """The occupied cells of one feature, as fine as is known so far.

    Parameters
    ----------
    counts : numpy.ndarray
        ``(NUM_BINS,) int64``: the summed histogram over universal bins.
    spec : CutsSpec
        Number of bins and tolerance.
    """

    def __init__(self, counts: np.ndarray, spec: CutsSpec) -> None:
        self.spec = spec
        self._cells = [bin_cell(k, int(counts[k])) for k in np.flatnonzero(counts).tolist()]

    def divide(self, finer: Mapping[Place, Sequence[Cell]]) -> None:
        """Put finer cells in the place of coarser ones."""
        cells = (new for old in self._cells for new in finer.get(old.place, (old,)))
        self._cells = sorted(cells, key=lambda cell: cell.start)

    def bins_to_divide(self) -> tuple[int, ...]:
        """Return the bins whose parts matter, rising.

        All with the minimum cell of loans if cells are few, else those that hold a quantile and are
        heavy.
        """
        wanted = self._inexact()
        if self._few:
            wanted = [cell for cell in self._cells if cell.loans >= self.spec.min_cell]
        return tuple(sorted({cell.place[0] for cell in wanted if refinable(cell.place[0])}))

    def parts_to_divide(self) -> tuple[tuple[int, int], ...]:
        """Return the parts to look into, rising.

        Those that are heavy and hold a quantile, or any heavy ones if cells are few.
        """
        wanted = (cell.place for cell in self._inexact())
        return tuple(sorted({(index, part) for index, part, _ in wanted if part != WHOLE}))

    def cuts(self) -> tuple[tuple[float, ...], float]:
        """Return the cuts, rising, and their rank error as a share of the loans.

        The rank error is that of the heaviest cell of several values that a cut had to be placed
        in or beside.
        """
        cells = self._cells
        if not cells:
            return (), 0.0
        n = self._loans
        unsure = [cell.loans for cell in self._at_quantiles() if not cell.single]
        before = range(1, len(cells)) if self._few else sorted({k for _, k in self._quantiles()})
        found: list[float] = []
        for k in before:
            if 0 < k < len(cells):
                last = found[-1] if found else -math.inf
                cut, split = _between(cells[k - 1], cells[k], last, self.spec.rank_tolerance * n)
                found.append(cut)
                unsure.append(split)
        return tuple(found), max(unsure, default=0) / n

    @property
    def _few(self) -> bool:
        return len(self._cells) <= self.spec.max_bins

    @property
    def _loans(self) -> int:
        return sum(cell.loans for cell in self._cells)

    def _at_quantiles(self) -> list[Cell]:
        """Return the cells that a cut depends on."""
        if self._few:
            return self._cells
        return [self._cells[k] for k in sorted({k for k, _ in self._quantiles()})]

    def _inexact(self) -> list[Cell]:
        least = max(self.spec.rank_tolerance * self._loans, self.spec.min_cell - 1)
        return [c for c in self._at_quantiles() if c.loans > least and not c.single]

    def _quantiles(self) -> Iterator[tuple[int, int]]:
        """Yield, for each quantile, the cell that holds it and the cell before which to cut."""
        bins = self.spec.max_bins
        # Times the number of bins, so that ranks are whole numbers.
        ends = np.cumsum([cell.loans for cell in self._cells]) * bins
        for rank in (np.arange(1, bins) * self._loans).tolist():
            k = int(np.searchsorted(ends, rank))
            from_end = int(ends[k]) - rank
            yield k, k if 2 * from_end > self._cells[k].loans * bins else k + 1


def _between(left: Cell, right: Cell, above: float, light: float) -> tuple[float, int]:
    """Return a cut between two cells, and the loans of the one it may lie in.

    It lies above the cut before.
    """
    if right.single and significant_digits(right.start) <= _SHORT:
        return right.start, 0
    if left.stop < right.start:
        return shortest_decimal(left.stop, right.start), 0
    if right.loans <= light and not right.single and math.isfinite(right.stop):
        return shortest_decimal(right.start, math.nextafter(right.stop, -math.inf)), right.loans
    if left.loans <= light and not left.single and math.isfinite(left.start):
        low = math.nextafter(max(left.start, above), math.inf)
        return shortest_decimal(low, right.start), left.loans
    return right.start, 0
