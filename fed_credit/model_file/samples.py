"""What a model's file is judged by: loans of a part, segments of them, and years."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from fed_credit.data.schema import Kind, Schema
from fed_credit.evaluation.cells import ScoreCells
from fed_credit.evaluation.sums import ScoreSums

Label = Mapping[str, str]
"""Text by language, ``en`` and ``zh``."""

LOANS, SUMS = "loans", "sums"
COMPARED = ("repeats", "test", "institutions", "overall")
"""What a file's comparison takes from ``results.json``."""
INSTITUTION = "institution"
_MISSING: Label = {"en": "missing", "zh": "缺失"}
_BANK: Label = {"en": "Bank", "zh": "银行"}
_QUARTERS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Sample:
    """Loans that the model has not been fitted on, by its own PD.

    Parameters
    ----------
    cells : ScoreCells
        Goods and bads by the model's PD.
    known_from : str
        ``loans``, or ``sums`` that banks have released.
    first_month, last_month : str or None
        ``YYYY-MM`` of the decisions; None where they are not known.
    """

    cells: ScoreCells
    known_from: str
    first_month: str | None = None
    last_month: str | None = None

    @classmethod
    def of(cls, y: np.ndarray, pd_: np.ndarray, decided: np.ndarray | None = None) -> Sample:
        """Take loans one by one.

        Parameters
        ----------
        y, pd_ : numpy.ndarray
            ``(n,) int8`` and ``(n,) float64``: outcome and the model's PD.
        decided : numpy.ndarray or None
            ``(n,) datetime64[D]``: days of decision; NaT or None where there are none.
        """
        months = None if decided is None else decided[~np.isnat(decided)].astype("datetime64[M]")
        if months is None or not len(months):
            return cls(ScoreCells.of(y, pd_), LOANS)
        return cls(ScoreCells.of(y, pd_), LOANS, str(months.min()), str(months.max()))

    @classmethod
    def of_sums(cls, sums: ScoreSums | None) -> Sample:
        """Take what banks have released, or nothing where they have not."""
        return cls(ScoreCells.none() if sums is None else ScoreCells.of_sums(sums), SUMS)


@dataclass(frozen=True)
class Segment:
    """Some of the test loans.

    Parameters
    ----------
    by : str
        What divides the loans: ``institution``, or a field's name.
    label : mapping of str to str
        Of what divides them.
    value : str
        Of these loans.
    value_label : mapping of str to str
        The value in words.
    cells : ScoreCells
        Goods and bads by the model's PD.
    """

    by: str
    label: Label
    value: str
    value_label: Label
    cells: ScoreCells


@dataclass(frozen=True)
class Year:
    """The labelled loans decided in a year, whatever their part."""

    year: int
    loans: int
    bads: int


@dataclass(frozen=True)
class Judged:
    """All that a model's file is judged by.

    Parameters
    ----------
    split : str or None
        ``out_of_time`` or ``random``: how test loans differ from the others; None if not known.
    validation : Sample
        Loans that choices are made on.
    test : Sample
        Loans that judge and choose nothing.
    segments : sequence of Segment
        Of the test loans.
    years : sequence of Year or None
        None where days of decision are not known.
    comparison : mapping or None
        The model against a bank's own and a pooled one, as ``results.json`` has it.
    """

    split: str | None
    validation: Sample
    test: Sample
    segments: Sequence[Segment] = ()
    years: Sequence[Year] | None = None
    comparison: Mapping[str, object] | None = None


def years_of(y: np.ndarray, decided: np.ndarray) -> tuple[Year, ...] | None:
    """Count loans by the year of their decision.

    Parameters
    ----------
    y : numpy.ndarray
        ``(n,) int8``: 1 bad, 0 good.
    decided : numpy.ndarray
        ``(n,) datetime64[D]``.

    Returns
    -------
    tuple of Year or None
        None if no loan has a day of decision.
    """
    known = ~np.isnat(decided)
    if not known.any():
        return None
    year = decided[known].astype("datetime64[Y]").astype(np.int64) + 1970
    value, index, loans = np.unique(year, return_inverse=True, return_counts=True)
    bads = np.bincount(index, y[known], len(value))
    return tuple(Year(int(a), int(n), int(b)) for a, n, b in zip(value, loans, bads, strict=True))


def segments_of(
    schema: Schema,
    features: pd.DataFrame,
    exposure: np.ndarray,
    banks: tuple[Sequence[str], np.ndarray] | None,
    y: np.ndarray,
    pd_: np.ndarray,
) -> tuple[Segment, ...]:
    """Divide loans by bank, by every listed categorical feature, and by exposure in quarters.

    Parameters
    ----------
    schema : Schema
        What the features are; one that is sensitive, or whose values are not listed, divides none.
    features : pandas.DataFrame
        ``(n, n_features)``.
    exposure : numpy.ndarray
        ``(n,) float64``; bands if the schema has a field in this role.
    banks : tuple or None
        Names, and each loan's position in them, ``(n,) int64``; None where all are one bank's.
    y, pd_ : numpy.ndarray
        ``(n,) int8`` and ``(n,) float64``: outcome and the model's PD.

    Returns
    -------
    tuple of Segment
        Without empty ones.
    """
    return tuple(
        Segment(by, label, value, said, ScoreCells.of(y[rows], pd_[rows]))
        for by, label, values, codes in _divisions(schema, features, exposure, banks)
        for (value, said), rows in zip(values, _rows(codes, len(values)), strict=True)
        if len(rows)
    )


_Division = tuple[str, Label, Sequence[tuple[str, Label]], np.ndarray]


def _divisions(
    schema: Schema,
    features: pd.DataFrame,
    exposure: np.ndarray,
    banks: tuple[Sequence[str], np.ndarray] | None,
) -> Iterator[_Division]:
    if banks is not None:
        yield INSTITUTION, _BANK, [(name, _same(name)) for name in banks[0]], banks[1]
    for name in features.columns:
        item = schema.fields[name]
        if item.kind is not Kind.CATEGORICAL or not item.values or item.sensitive:
            continue
        column = features[name].cat
        values = [str(value) for value in column.categories]
        labels = [_both(item.value_labels.get(value, {}), value) for value in values]
        codes = column.codes.to_numpy(np.int64)
        missing = np.where(codes < 0, len(values), codes)
        named = [*zip(values, labels, strict=True), ("", _MISSING)]
        yield name, _both(item.label, name), named, missing
    role = schema.roles.exposure
    if role is not None and len(exposure):
        label = _both(schema.fields[role].label, role)
        yield role, label, *_bands(exposure, schema.currency)


def _bands(exposure: np.ndarray, currency: str) -> tuple[list[tuple[str, Label]], np.ndarray]:
    """Divide amounts at their quartiles, rounded to two digits so that they can be said."""
    ends = [float(f"{end:.1e}") for end in np.quantile(exposure, _QUARTERS)]
    ends = [end for end in dict.fromkeys(ends) if end > 0]
    spelled = [f"{end:,.0f}" for end in ends]
    unit = f" {currency}" if currency else ""
    named: list[tuple[str, Label]] = [("all", {"en": "all", "zh": "全部"})]
    if ends:
        first, last = f"below {spelled[0]}", f"from {spelled[-1]}"
        named = [(first, {"en": f"{first}{unit}", "zh": f"低于 {spelled[0]}{unit}"})]
        for low, high in pairwise(spelled):
            said = {"en": f"{low} to below {high}{unit}", "zh": f"{low} 至 {high}{unit}（不含）"}
            named.append((f"{low} to {high}", said))
        more = {"en": f"{spelled[-1]}{unit} and more", "zh": f"{spelled[-1]}{unit} 及以上"}
        named.append((last, more))
    return named, np.searchsorted(ends, exposure, side="right")


def _rows(codes: np.ndarray, parts: int) -> list[np.ndarray]:
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.bincount(codes, minlength=parts).cumsum()[:-1])


def _both(label: Label, name: str) -> Label:
    english = label.get("en") or name
    return {"en": english, "zh": label.get("zh") or english}


def _same(text: str) -> Label:
    return {"en": text, "zh": text}
