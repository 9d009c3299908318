"""Trees and one application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fed_credit.families.boosted import TreesModel
from fed_credit.scoring.cells import Value
from fed_credit.scoring.coders import Code, coder
from fed_credit.scoring.numbers import tree_probability
from fed_credit.trees.single import SingleReasons
from fed_credit.trees.spec import MARGIN_UNIT


class TreesPlan:
    """Walks down the trees."""

    unit = "log-odds"

    def __init__(self, model: TreesModel) -> None:
        self._ensemble = model.ensemble
        self._width = len(model.columns)
        columns = model.made_of.columns
        names = [column.fine.feature.name for column in columns]
        self.features = tuple(dict.fromkeys(names))
        self._owner = [self.features.index(name) for name in names]
        # Per feature: where its columns stand, and per code what they hold; None: the value itself.
        self._parts: list[tuple[list[int], Code | None, list[list[float]]]] = []
        for name in self.features:
            own = [k for k, other in enumerate(names) if other == name]
            fine = columns[own[0]].fine
            if not columns[own[0]].levels:
                self._parts.append((own, None, []))
                continue
            levels = [columns[k].levels for k in own]
            table = [
                [np.nan if one[code] is None else float(one[code]) for one in levels]  # type: ignore[arg-type]
                for code in range(fine.size)
            ]
            self._parts.append((own, coder(fine), table))
        self._reasons = SingleReasons(self._ensemble)
        # Loops are compiled now, and not when the first application waits.
        nothing = self.row([None] * len(self.features))
        self.pd(nothing)
        self.amounts(nothing)

    def row(self, values: Sequence[Value]) -> np.ndarray:
        """Return the trees' columns, ``(1, n_columns) float32``."""
        out: list[Any] = [np.nan] * self._width
        for (places, code, table), value in zip(self._parts, values, strict=True):
            if code is None:
                if value is not None:
                    for place in places:
                        out[place] = value
            else:
                for place, level in zip(places, table[code(value)], strict=True):
                    out[place] = level
        with np.errstate(over="ignore"):
            return np.array([out], np.float64).astype(np.float32)

    def pd(self, row: np.ndarray) -> float:
        """Return the PD."""
        return tree_probability(int(self._ensemble.margins(row)[0]) * MARGIN_UNIT)

    def amounts(self, row: np.ndarray) -> list[float]:
        """Return Shapley values; those of a feature's columns are added up."""
        found = [0.0] * len(self.features)
        for owner, amount in zip(self._owner, self._reasons.contributions(row), strict=True):
            found[owner] += amount
        return found
