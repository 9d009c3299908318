"""Typed columns, gathered chunk by chunk, so that the text they came from need not be kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


class TypedColumns:
    """Validated chunks, column by column.

    Numbers and dates keep their eight bytes, categories their codes, identifiers their text;
    text in the columns of ``repeated``, where few values come again and again, becomes categories.

    Parameters
    ----------
    names : sequence of str
        Columns to keep; those a chunk does not have are passed over.
    repeated : sequence of str
        Columns of text with few values.
    """

    def __init__(self, names: Sequence[str], repeated: Sequence[str]) -> None:
        self._names, self._repeated = list(dict.fromkeys(names)), set(repeated)
        self._parts: dict[str, list[pd.Series]] = {}
        self._index: list[np.ndarray] = []

    def add(self, frame: pd.DataFrame) -> None:
        """Add a chunk.

        Parameters
        ----------
        frame : pandas.DataFrame
            ``(n, ...)`` validated rows; every chunk has the same of the columns to keep. Its index
            is kept.
        """
        self._index.append(frame.index.to_numpy(dtype=np.int64))
        for name in self._names:
            if name in frame.columns:
                column = frame[name].reset_index(drop=True)
                if name in self._repeated and not isinstance(column.dtype, pd.CategoricalDtype):
                    column = column.astype("category")
                # A copy, lest a view keeps the whole chunk alive.
                self._parts.setdefault(name, []).append(column.copy())

    def frame(self) -> pd.DataFrame:
        """Return all rows in the order they came, and forget them.

        Returns
        -------
        pandas.DataFrame
            ``(n, n_columns)``; categories without a given vocabulary are sorted.
        """
        index = pd.Index(np.concatenate(self._index))
        self._index = []
        columns = {}
        for name in list(self._parts):
            # One column at a time, so that only one is there twice.
            columns[name] = _joined(self._parts.pop(name))
        return pd.DataFrame(columns, copy=False).set_axis(index, axis=0)


def _joined(parts: list[pd.Series]) -> pd.Series:
    if not isinstance(parts[0].dtype, pd.CategoricalDtype):
        return pd.concat(parts, ignore_index=True)
    vocabularies = [part.cat.categories for part in parts]
    if all(found.equals(vocabularies[0]) for found in vocabularies):
        codes = np.concatenate([part.cat.codes.to_numpy() for part in parts])
        return pd.Series(pd.Categorical.from_codes(codes, dtype=parts[0].dtype))
    union = pd.Index(sorted({str(word) for found in vocabularies for word in found}), dtype="str")
    taken = [
        # The last place is for -1, a missing value.
        np.append(union.get_indexer(part.cat.categories), -1).astype(
            np.min_scalar_type(-len(union) - 1)
        )[part.cat.codes.to_numpy()]
        for part in parts
    ]
    return pd.Series(pd.Categorical.from_codes(np.concatenate(taken), categories=union))
