"""What leaves a bank: a named vector of int64 in fixed point that makes sense when it is added.

A value ``v`` travels as the integer ``round(v * 2**bits)``. Integer sums do not depend on the
order or the grouping of their terms, so the sum over banks is the same bits whoever answers first
and however the loans are divided. A :class:`ReleaseSpec` lays the vector out before anyone
computes: names, shapes, scale and bounds. Bounds leave room for :data:`MAX_INSTITUTIONS` summands,
so a sum of admitted releases cannot overflow.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fed_credit.errors import ReleaseError

MAX_INSTITUTIONS = 4096
_SUM_BITS = 62


def quantise(values: np.ndarray, bits: int) -> np.ndarray:
    """Round values to multiples of ``2**-bits``, as int64 counts of them.

    Quantising each loan's value before summing makes a sum independent of how loans are divided.

    Parameters
    ----------
    values : numpy.ndarray
        Finite floats of any shape.
    bits : int
        Fractional bits.

    Returns
    -------
    numpy.ndarray
        int64 of the same shape, halves rounded to even.
    """
    return np.rint(np.ldexp(np.asarray(values, dtype=np.float64), bits)).astype(np.int64)


@dataclass(frozen=True)
class Entry:
    """One named array of a release.

    Parameters
    ----------
    name : str
        Unique within the release.
    shape : tuple of int
        Shape of the array; ``()`` for a number.
    bits : int
        Fractional bits of the fixed point; 0 for counts.
    bound : float
        Largest absolute value that one bank may release; larger ones are refused.

    Raises
    ------
    ReleaseError
        If a sum over :data:`MAX_INSTITUTIONS` banks could overflow.
    """

    name: str
    shape: tuple[int, ...]
    bits: int = 0
    bound: float = float(2**40)

    def __post_init__(self) -> None:
        if self.bits + math.log2(self.bound) + math.log2(MAX_INSTITUTIONS) > _SUM_BITS:
            raise ReleaseError(
                f"Release entry '{self.name}': {self.bits} fractional bits and the bound"
                f" {self.bound:g} leave no room for {MAX_INSTITUTIONS} summands; lower one of them."
            )

    @property
    def size(self) -> int:
        """Number of cells."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class ReleaseSpec:
    """The layout of a release, known before anyone computes.

    Parameters
    ----------
    name : str
        What is released.
    entries : tuple of Entry
        The arrays, in the order of the vector.

    Raises
    ------
    ReleaseError
        If two entries have one name.
    """

    name: str
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        names = [entry.name for entry in self.entries]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ReleaseError(f"Release '{self.name}' lays out {twice} twice; name each once.")

    @cached_property
    def size(self) -> int:
        """Number of cells in the vector."""
        return sum(entry.size for entry in self.entries)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the layout, by which both sides know that they mean the same vector."""
        layout = [[e.name, list(e.shape), e.bits, e.bound] for e in self.entries]
        return hashlib.sha256(json.dumps([self.name, layout]).encode()).hexdigest()

    def encode(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """Lay out one bank's arrays as a fixed-point vector.

        Parameters
        ----------
        arrays : mapping of str to numpy.ndarray
            One array per entry. Floats are rounded to the entry's fixed point; integers are taken
            as counts where the entry has no fractional bits, and as already quantised (see
            :func:`quantise`) where it has.

        Returns
        -------
        numpy.ndarray
            ``(size,) int64``.

        Raises
        ------
        ReleaseError
            If an array is missing, superfluous, of another shape, not of numbers, not finite, or
            out of bounds.
        """
        if set(arrays) != {entry.name for entry in self.entries}:
            odd = sorted(set(arrays) ^ {entry.name for entry in self.entries})
            raise ReleaseError(f"Release '{self.name}' does not fit its layout at {odd}; refused.")
        # All cells at once: layouts may have many small arrays. Scaling by a power of 2 is exact,
        # and so are the integers that a bound admits, as float64.
        values, scales = np.empty(self.size), self._scales.copy()
        for entry, cells in self._cells():
            value = np.asarray(arrays[entry.name])
            if value.shape != entry.shape:
                raise ReleaseError(
                    f"Release '{self.name}': '{entry.name}' has shape {value.shape}, laid out"
                    f" as {entry.shape}; refused."
                )
            if value.dtype.kind not in "biuf":
                raise _out_of_bounds(self.name, entry)
            if value.dtype.kind in "iu":
                scales[cells] = 1.0
            values[cells] = value.ravel()
        with np.errstate(over="ignore"):
            values *= scales
        # NaN compares false, so one comparison refuses what is not finite and what is too large;
        # it comes before rounding, since a cast of what does not fit is undefined.
        within = np.abs(values) <= self._limits
        if not within.all():
            first = int(np.argmin(within))
            raise _out_of_bounds(
                self.name, next(entry for entry, cells in self._cells() if first < cells.stop)
            )
        return np.rint(values).astype(np.int64)

    def decode(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """Read a sum of releases back as arrays.

        Parameters
        ----------
        vector : numpy.ndarray
            ``(size,) int64``.

        Returns
        -------
        dict of str to numpy.ndarray
            int64 for entries without fractional bits, float64 for the others.
        """
        return {
            entry.name: (
                vector[cells].copy()
                if entry.bits == 0
                else np.ldexp(vector[cells].astype(float), -entry.bits)
            ).reshape(entry.shape)
            for entry, cells in self._cells()
        }

    def admits(self, vector: np.ndarray) -> bool:
        """Whether a received vector has the layout's type and size and lies within its bounds."""
        if vector.dtype != np.int64 or vector.shape != (self.size,):
            return False
        # Rounded as encoding rounds, so that what a bank may encode is what is admitted.
        limits = np.rint(self._limits).astype(np.int64)
        return bool(np.all((vector <= limits) & (vector >= -limits)))

    @cached_property
    def _scales(self) -> np.ndarray:
        return self._per_cell([math.ldexp(1.0, entry.bits) for entry in self.entries])

    @cached_property
    def _limits(self) -> np.ndarray:
        return self._per_cell([math.ldexp(entry.bound, entry.bits) for entry in self.entries])

    def _per_cell(self, values: list[float]) -> np.ndarray:
        return np.repeat(np.array(values, dtype=float), [entry.size for entry in self.entries])

    def _cells(self) -> Iterator[tuple[Entry, slice]]:
        start = 0
        for entry in self.entries:
            yield entry, slice(start, start + entry.size)
            start += entry.size


def _out_of_bounds(release: str, entry: Entry) -> ReleaseError:
    return ReleaseError(
        f"Release '{release}': '{entry.name}' holds a value that is no finite number or exceeds"
        f" the bound {entry.bound:g}; refused, nothing was released."
    )
