"""What the server asks of every bank in one exchange, and the layout of the answer.

A request holds all that the answer depends on besides the bank's loans. A bank that was restarted
answers it with the same bits as one that remembers the requests before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fed_credit.errors import ReleaseError
from fed_credit.releases import Entry, ReleaseSpec
from fed_credit.trees.nodes import FEATURE, LEAF, LEFT, Trees
from fed_credit.trees.spec import GRADIENT_BITS, LARGEST_BAD_WEIGHT, LARGEST_DEPTH

_BOUND = float(2**26)  # loans of one bank; derivatives of a loan are at most 1 times its weight
HISTOGRAM = ("gradients", "hessians", "loans")
SCORES = ("fit/loans", "fit/log_loss", "validation/loans", "validation/log_loss")


@dataclass(frozen=True, eq=False)
class Request:
    """One exchange of training.

    Parameters
    ----------
    round : int
        Round of boosting, from 0.
    seed : int
        Of the samples of loans.
    row_share : float
        Share of the loans that each tree is grown on.
    bad_weight : float
        What a bad loan counts for in the derivatives.
    base : int
        Log-odds before the first tree, in units of ``2**-MARGIN_BITS``.
    offset : int
        Added to the log-odds for the loss, because of ``bad_weight``; in the same units.
    scored : bool
        Whether the summed loss of the finished trees is asked for.
    finished : Trees
        The trees of the rounds before.
    growing : Trees
        The trees of this round, as far as they are grown.
    columns : tuple of numpy.ndarray
        Per growing tree the columns that it may split on, rising, int32.
    nodes : tuple of numpy.ndarray
        Per growing tree the leaves whose histograms are asked for, rising, int32.
    """

    round: int
    seed: int
    row_share: float
    bad_weight: float
    base: int
    offset: int
    scored: bool
    finished: Trees
    growing: Trees
    columns: tuple[np.ndarray, ...]
    nodes: tuple[np.ndarray, ...]

    @cached_property
    def settings(self) -> str:
        """The request without its arrays, as JSON."""
        names = ("round", "seed", "row_share", "bad_weight", "base", "offset", "scored")
        return json.dumps({name: getattr(self, name) for name in names})

    @property
    def arrays(self) -> list[np.ndarray]:
        """The arrays of the request, in the order that :meth:`read` takes them."""
        return [
            self.finished.nodes,
            self.finished.offsets,
            self.growing.nodes,
            self.growing.offsets,
            *_joined(self.columns),
            *_joined(self.nodes),
        ]

    @classmethod
    def read(cls, settings: str, arrays: Sequence[np.ndarray], last_bins: np.ndarray) -> Request:
        """Read a request that came by wire.

        Parameters
        ----------
        settings : str
            As in :attr:`settings`.
        arrays : sequence of numpy.ndarray
            As in :attr:`arrays`.
        last_bins : numpy.ndarray
            Of the bank's own :class:`~fed_credit.trees.binned.Bins`.

        Raises
        ------
        ReleaseError
            If it is not a request over such columns.
        """
        try:
            body = json.loads(settings)
            finished, growing = Trees(*arrays[:2]), Trees(*arrays[2:4])
            finished.check(last_bins)
            growing.check(last_bins)
            request = cls(
                round=_of(int, body["round"]),
                seed=_of(int, body["seed"]),
                row_share=float(_of((int, float), body["row_share"])),
                bad_weight=float(_of((int, float), body["bad_weight"])),
                base=_of(int, body["base"]),
                offset=_of(int, body["offset"]),
                scored=bool(body["scored"]),
                finished=finished,
                growing=growing,
                columns=_parted(*arrays[4:6]),
                nodes=_parted(*arrays[6:8]),
            )
        except (ArithmeticError, IndexError, KeyError, TypeError, ValueError):
            raise _unreadable() from None
        if not request._fits(len(last_bins)):
            raise _unreadable()
        return request

    def check_growth(
        self, *, rounds: int, trees_per_round: int, max_depth: int, row_share: float, seed: int
    ) -> None:
        """Refuse what a run of these settings never asks for; what came by wire is not trusted.

        Parameters
        ----------
        rounds, trees_per_round, max_depth, row_share, seed
            As in :class:`~fed_credit.trees.spec.BoostingSpec`.

        Raises
        ------
        ReleaseError
            If there are more rounds, trees or levels than the run has, or other samples of loans.
        """
        fits = (
            self.round <= rounds
            and len(self.finished) <= rounds * trees_per_round
            and len(self.growing) <= trees_per_round
            and all(
                _within(self.growing[k], nodes, min(max_depth, LARGEST_DEPTH))
                for k, nodes in enumerate(self.nodes)
            )
        )
        if not fits:
            raise ReleaseError(
                "The request holds more rounds, trees or levels of a tree than the run's settings"
                " lead to; refused."
            )
        if self.row_share != row_share or self.seed != seed:
            raise ReleaseError(
                "The request asks for other samples of loans than the run's settings lead to;"
                " refused."
            )

    def starts(self, k: int, last_bins: np.ndarray) -> np.ndarray:
        """Return where each column begins within a histogram of growing tree ``k``.

        Returns
        -------
        numpy.ndarray
            ``(n_columns_of_tree + 1,) int64``; the last element is the size of the histogram.
        """
        return np.concatenate([[0], np.cumsum(last_bins[self.columns[k]] + 1)])

    def layout(self, last_bins: np.ndarray) -> ReleaseSpec:
        """Return the layout of the answer.

        Histograms stand one after the other: by tree, then by node. See :data:`HISTOGRAM` and
        :data:`SCORES`.

        Parameters
        ----------
        last_bins : numpy.ndarray
            Of the common :class:`~fed_credit.trees.binned.Bins`.
        """
        entries = []
        cells = sum(
            len(nodes) * int(self.starts(k, last_bins)[-1]) for k, nodes in enumerate(self.nodes)
        )
        if cells:
            bits = (GRADIENT_BITS, GRADIENT_BITS, 0)
            entries += [
                Entry(name, (cells,), bit, _BOUND)
                for name, bit in zip(HISTOGRAM, bits, strict=True)
            ]
        if self.scored:
            bits_of = {"loans": 0, "log_loss": GRADIENT_BITS}
            entries += [Entry(name, (), bits_of[name.split("/")[1]], _BOUND) for name in SCORES]
        return ReleaseSpec("trees", tuple(entries))

    def _fits(self, n_columns: int) -> bool:
        if not (
            len(self.columns) == len(self.nodes) == len(self.growing)
            and self.round >= 0
            and 0 < self.row_share <= 1
            and 0 < self.bad_weight <= LARGEST_BAD_WEIGHT
            and max(abs(self.base), abs(self.offset)) < 2**32
        ):
            return False
        return all(
            _rise_below(columns, n_columns)
            and len(columns) > 0
            and _rise_below(nodes, len(tree))
            and bool((tree[nodes, FEATURE] == LEAF).all())
            for columns, nodes, tree in zip(
                self.columns,
                self.nodes,
                (self.growing[k] for k in range(len(self.growing))),
                strict=True,
            )
        )


def _joined(parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.cumsum([0, *map(len, parts)]).astype(np.int64)
    return np.concatenate([np.empty(0, np.int32), *parts]).astype(np.int32), offsets


def _within(tree: np.ndarray, nodes: np.ndarray, most: int) -> bool:
    """Whether a tree has no more levels, and the leaves asked about may still be split."""
    if len(tree) >= 2 ** (most + 1):
        return False
    depths = np.zeros(len(tree), np.int64)
    for at in np.flatnonzero(tree[:, FEATURE] != LEAF):  # children stand behind their parent
        left = tree[at, LEFT]
        depths[left : left + 2] = depths[at] + 1
    return int(depths.max()) <= most and int(depths[nodes].max(initial=0)) < most


def _of(kind: Any, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, kind):
        raise TypeError("of another type")
    return value


def _parted(joined: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, ...]:
    if not (
        joined.dtype == np.int32
        and joined.ndim == 1
        and offsets.dtype == np.int64
        and offsets.ndim == 1
        and len(offsets) >= 1
        and offsets[0] == 0
        and offsets[-1] == len(joined)
        and (np.diff(offsets) >= 0).all()
    ):
        raise _unreadable()
    return tuple(np.split(joined, offsets[1:-1])) if len(offsets) > 1 else ()


def _rise_below(values: np.ndarray, limit: int) -> bool:
    inside = len(values) == 0 or bool(values[0] >= 0 and values[-1] < limit)
    return inside and bool((np.diff(values) > 0).all())


def _unreadable() -> ReleaseError:
    return ReleaseError(
        "The request is none that this version can answer; check that all sides run the same"
        " version. Nothing was released."
    )
