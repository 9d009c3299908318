"""Many variants of one application at once: some fields changed, the rest as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from fed_credit.data.formula_values import Text, ValueType
from fed_credit.data.formula_values import Value as Column
from fed_credit.data.formula_values import missing as missing_values
from fed_credit.data.schema import Kind, Missing, Outside
from fed_credit.families.protocol import Model
from fed_credit.scoring.cells import Value
from fed_credit.scoring.record import RecordScorer

_NAT = np.iinfo(np.int64).min


class Variants:
    """Scores variants of an application by whole columns.

    Parameters
    ----------
    scorer : RecordScorer
        What scores.
    raw : mapping of str to Value
        The application's raw fields, as :meth:`RecordScorer.raw_values` gives them.
    """

    def __init__(self, scorer: RecordScorer, raw: Mapping[str, Value]) -> None:
        self._scorer, self._raw = scorer, raw
        self._fields = scorer.fields
        features = scorer.model.artefact.model.features
        self._names = [feature.name for feature in features]
        self._kinds = {feature.name: feature.kind for feature in features}
        moving = {name for name, field in self._fields.items() if field.changeable}
        for item in scorer.recipe.derivations:
            if moving.intersection(item.read.fields):
                moving.add(item.name)
        self._affected = [name for name in self._names if name in moving]

    def features(self, changed: Mapping[str, Sequence[Value]]) -> tuple[pd.DataFrame, np.ndarray]:
        """Compute the features of some variants.

        Parameters
        ----------
        changed : mapping of str to sequence of Value
            By raw field the values of the ``n`` variants.

        Returns
        -------
        pandas.DataFrame
            ``(n, n_features)``.
        numpy.ndarray
            ``(n,) bool``: variants that the schema rejects.
        """
        n = len(next(iter(changed.values())))
        inputs = {
            name: _column(changed.get(name, [self._raw[name]]), ValueType(str(field.kind)), n)
            for name, field in self._fields.items()
        }
        recipe = self._scorer.recipe
        values = recipe.values(inputs, n)
        rejected = np.zeros(n, bool)
        index = pd.RangeIndex(n)
        columns: dict[str, pd.Series] = {}
        for item in recipe.derivations:
            if item.outside == Outside.REJECT:
                rejected |= item.outliers(values[item.name])
            if item.missing == Missing.REJECT:
                rejected |= missing_values(values[item.name])
            columns[item.name] = item.series(values[item.name], index)
        for name in self._names:
            if name not in columns:
                columns[name] = _series(name, inputs[name], self._fields[name].values, index)
        return pd.DataFrame({name: columns[name] for name in self._names}), rejected

    def pds(self, features: pd.DataFrame, rejected: np.ndarray) -> np.ndarray:
        """Return the calibrated PD of what :meth:`features` gave; 1 where it is rejected."""
        model: Model = self._scorer.model.artefact.model
        pd_ = self._scorer.model.calibration.apply(model.score_matrix(model.matrix(features)))
        return np.where(rejected, 1.0, pd_)

    def sizes(
        self, features: pd.DataFrame, widths: Mapping[str, float], category: float
    ) -> np.ndarray:
        """Measure how far variants are from the first one.

        Parameters
        ----------
        features : pandas.DataFrame
            ``(n, n_features)``, as :meth:`features` gives them.
        widths : mapping of str to float
            Range of each numeric feature, above 0.
        category : float
            Size of another category or answer, and of a number that was missing or is now.

        Returns
        -------
        numpy.ndarray
            ``(n,) float64``: the largest move of a feature; of a number as a share of its range.
        """
        moved = np.zeros(len(features))
        for name in self._affected:
            after, own = features[name], features[name].iloc[0]
            numeric = self._kinds[name] is Kind.NUMERIC
            if numeric and name not in widths:
                continue  # the model tells no two of its values apart
            gone = after.isna().to_numpy(dtype=bool)
            if gone[0]:
                away = np.where(gone, 0.0, category)
            elif numeric:
                values = after.to_numpy(dtype=np.float64)
                away = np.where(gone, category, np.abs(values - own) / widths[name])
            else:
                away = np.where((after == own).to_numpy(dtype=bool), 0.0, category)
            moved = np.maximum(moved, away)
        return moved


def _column(values: Sequence[Value], kind: ValueType, n: int) -> Column:
    """Return a column of ``n`` values, or of one value that all rows have."""
    if kind is ValueType.TEXT:
        words = tuple(dict.fromkeys(str(value) for value in values if value is not None))
        places = {word: k for k, word in enumerate(words)}
        codes = np.array([-1 if value is None else places[str(value)] for value in values])
        return Text(np.broadcast_to(codes, (n,)), words)
    if kind is ValueType.DATE:
        days = np.array([_NAT if value is None else int(value) for value in values], np.int64)
        return np.broadcast_to(days.view("datetime64[D]"), (n,))
    numbers = np.array([np.nan if value is None else value for value in values], np.float64)
    return np.broadcast_to(numbers, (n,))


def _series(name: str, column: Column, listed: Sequence[str], index: pd.Index) -> pd.Series:
    """Return a raw feature's column as a validated frame holds it."""
    if not isinstance(column, Text):
        return pd.Series(column, index=index, name=name)
    words = list(listed) or list(column.words)
    places = np.array([*(words.index(word) for word in column.words), -1], np.int64)
    codes = pd.Categorical.from_codes(places[column.codes], pd.Index(words, dtype="str"))
    return pd.Series(codes, index=index, name=name)
