"""What a column is, told from a sample of its values and from its name.

Work is done on the distinct values and their counts, so a sample may be large.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fed_credit.data.convert import EARLIEST, as_text, convert
from fed_credit.data.schema import Field, Kind, Outside
from fed_credit.onboarding.spellings import (
    BOOLEANS,
    CODE_NAMES,
    IDENTIFIER_NAMES,
    PERSONAL_NAMES,
    STRIPPED,
    TEN_THOUSANDS,
    UNKNOWN,
    UNKNOWN_DATES,
    folded,
    unit_of,
)

# Of the values that are there; the rest may be junk.
_NEARLY_ALL = 0.99
_MOST = 0.5
_MAX_CODES = 5
_LONG_TEXT = 40  # mean length
_ENOUGH = 30  # distinct values that say something about distinctness
_DATE_FORMATS = (
    (r"\d{4}-\d{2}-\d{2}", ""),
    (r"(?:19|20|21)\d{6}", "%Y%m%d"),
    (r"\d{4}/\d{1,2}/\d{1,2}", "%Y/%m/%d"),
    (r"\d{4}年\d{1,2}月\d{1,2}日", "%Y年%m月%d日"),
    (r"\d{4}\.\d{1,2}\.\d{1,2}", "%Y.%m.%d"),
    (r"\d{4}-\d{1,2}-\d{1,2}", "%Y-%m-%d"),
    (r"\d{1,2}/\d{1,2}/\d{4}", "%m/%d/%Y"),
    (r"\d{1,2}/\d{1,2}/\d{4}", "%d/%m/%Y"),
    (r"\d{1,2}\.\d{1,2}\.\d{4}", "%d.%m.%Y"),
    (r"\d{1,2}-[A-Za-z]{3}-\d{4}", "%d-%b-%Y"),
    (r"\d{1,2}-[A-Za-z]{3}-\d{2}", "%d-%b-%y"),
    (r"\d{4}年\d{1,2}月", "%Y年%m月"),
    (r"(?:199|20[0-3])\d(?:0[1-9]|1[0-2])", "%Y%m"),
)
_CREDIT_CODE = re.compile(r"[0-9A-HJ-NPQRTUWXY]{18}")  # GB 32100-2015
_LATEST_DAY = np.datetime64("2100-01-01")


@dataclass
class Guess:
    """What a column seems to be.

    Parameters
    ----------
    field : Field
        Its kind and how its values are spelled; no bounds or listed values yet.
    notes : list of str
        Why, and what a person should look at; become comments.
    confirm : list of str
        What a person must confirm.
    """

    field: Field
    notes: list[str] = dataclasses.field(default_factory=list)
    confirm: list[str] = dataclasses.field(default_factory=list)


def guess(name: str, raw: pd.Series) -> Guess:
    """Tell what a column is.

    Parameters
    ----------
    name : str
        Its name.
    raw : pandas.Series
        ``(n,)`` sample of any dtype.

    Returns
    -------
    Guess
    """
    text = as_text(raw).dropna()
    counts = text.value_counts()
    if counts.empty:
        return _aside(name, Kind.CATEGORICAL, "empty: set aside")
    if pd.api.types.is_datetime64_any_dtype(raw.dtype):
        return _date(name, counts) or Guess(Field(name, Kind.DATE))
    found = _boolean(name, counts) or _date(name, counts)
    if found is not None:
        return found
    if PERSONAL_NAMES.search(name) and len(counts) > 2:
        made = _aside(
            name, Kind.IDENTIFIER, "names or contacts of persons or firms, by its name: set aside"
        )
        return Guess(Field(**{**vars(made.field), "sensitive": True}), made.notes)
    return _identifier(name, text, counts) or _numeric(name, counts) or _text(name, counts)


def _aside(name: str, kind: Kind, why: str) -> Guess:
    return Guess(Field(name, kind, feature=False), [why])


def _unknown(counts: pd.Series, words: frozenset[str] = UNKNOWN) -> list[str]:
    return [value for value in counts.index if folded(value) in words or value in words]


def _boolean(name: str, counts: pd.Series) -> Guess | None:
    """Recognise yes and no; a few strays are read as missing."""
    words = {value: folded(value) for value in counts.index}
    for yes, no in BOOLEANS:
        true = tuple(value for value, word in words.items() if word == yes)
        false = tuple(value for value, word in words.items() if word == no)
        if not (true and false) and not (yes.isalpha() and (true or false)):
            continue
        known = counts[[*true, *false]].sum()
        codes = [value for value in _unknown(counts) if value not in {*true, *false}]
        others = counts.drop([*true, *false, *codes])
        if known < _NEARLY_ALL * (known + others.sum()):
            continue
        strays = len(others) > 0
        return Guess(
            Field(
                name,
                Kind.BOOLEAN,
                true_values=true or (yes,),
                false_values=false or (no,),
                missing_codes=tuple(codes),
                outside=Outside.MISSING if strays else Outside.REJECT,
            ),
            [f"{others.sum()} other values read as missing: {_some(others)}"] if strays else [],
        )
    return None


def _date(name: str, counts: pd.Series) -> Guess | None:
    """Recognise dates; several formats in one column are common where systems were merged."""
    codes = [*_unknown(counts), *_unknown(counts, UNKNOWN_DATES)]
    values = counts.drop(codes)
    if values.empty:
        return None
    text = pd.Series(values.index, dtype="str")
    weights = values.to_numpy()
    left = np.ones(len(text), dtype=bool)
    formats: list[str] = []
    confirm: list[str] = []
    for pattern, spelled in _DATE_FORMATS:
        shaped = left & text.str.fullmatch(
            rf"(?:{pattern})(?:\.0|[T ]+\d{{1,2}}:\d{{2}}.*)?"
        ).to_numpy(dtype=bool)
        if not shaped.any():
            continue
        read = convert(
            text[shaped], Field(name, Kind.DATE, date_formats=(spelled,) if spelled else ())
        )
        days = read.values.to_numpy().astype("datetime64[D]")
        good = (days >= EARLIEST) & (days < _LATEST_DAY)
        other = "%d/%m/%Y" if spelled == "%m/%d/%Y" else ""
        if other and not good.all():
            # Day first, unless month first reads more; a mixture cannot be told apart.
            swapped = convert(text[shaped], Field(name, Kind.DATE, date_formats=(other,)))
            if swapped.broken.sum() < (~good).sum():
                continue
        elif other and good.all() and text[shaped].str.match(r"0?[1-9]|1[0-2]").all():
            days_over = text[shaped].str.extract(r"/(\d{1,2})/")[0].astype(int).max()
            if days_over <= 12:
                confirm.append(f"'{name}': month before day ({spelled}), or day before month?")
        if not good.any():
            continue
        left[np.flatnonzero(shaped)[good]] = False
        if spelled:
            formats.append(spelled)
    if weights[~left].sum() < _NEARLY_ALL * weights.sum():
        return None
    broken = values[left]
    notes = [f"not dates: {_some(broken)}"] if left.any() else []
    return Guess(
        Field(name, Kind.DATE, date_formats=tuple(formats), missing_codes=tuple(codes)),
        notes,
        confirm,
    )


def _identifier(name: str, text: pd.Series, counts: pd.Series) -> Guess | None:
    """Recognise what names a record, not what it is like."""
    values = pd.Series(counts.index, dtype="str")
    distinct = len(counts) / len(text)
    if values.str.fullmatch(_CREDIT_CODE.pattern).mean() >= _NEARLY_ALL:
        return _aside(name, Kind.IDENTIFIER, "unified social credit codes: set aside")
    if IDENTIFIER_NAMES.search(name) and (distinct > _MOST or len(counts) > _ENOUGH):
        return _aside(name, Kind.IDENTIFIER, "an identifier by its name: set aside")
    if len(counts) < _ENOUGH or distinct < _NEARLY_ALL:
        return None
    whole = values.str.fullmatch(r"\d{1,30}")
    if whole.all():
        lengths = values.str.len()
        if 8 <= lengths.min() == lengths.max():
            return _aside(name, Kind.IDENTIFIER, "numbers of one length, none twice: set aside")
        numbers = text.astype(float)
        if numbers.is_monotonic_increasing and numbers.max() < 100 * len(numbers):
            return _aside(name, Kind.IDENTIFIER, "counts the rows: set aside")
    return None


def _numeric(name: str, counts: pd.Series) -> Guess | None:
    """Recognise numbers, with separators, currency, percent signs and 万 if need be."""
    codes = _unknown(counts)
    values = counts.drop(codes)
    if values.empty:
        return None
    text = pd.Series(values.index, dtype="str")
    strip, unit = _stripped(text, values)
    read = convert(text, Field(name, Kind.NUMERIC, strip=strip))
    there = ~read.broken
    weights = values.to_numpy()
    share = weights[there].sum() / weights.sum()
    broken = values[~there]
    notes, confirm = [], []
    if share < _MOST or (share < _NEARLY_ALL and len(broken) > _MAX_CODES):
        return None
    words = [value for value in broken.index if share < _NEARLY_ALL or broken[value] >= 3]
    if words and len(words) <= _MAX_CODES:
        codes += words
        confirm.append(f"'{name}': do {_some(broken[words])} mean unknown?")
        broken = broken.drop(words)
    if len(broken):
        notes.append(f"not numbers: {_some(broken)}")
    numbers = pd.Series(weights[there], index=read.values[there].to_numpy()).groupby(level=0).sum()
    spelled = text[there]
    if _is_code(name, spelled, numbers):
        zero = [value for value in spelled if float(value or 1) == 0.0]
        codes += zero
        if zero:
            notes.append("0 where all else is a code: read as missing")
        return Guess(
            Field(name, Kind.CATEGORICAL, missing_codes=tuple(codes), outside=Outside.MISSING),
            ["digits that seem to be a code, not a quantity", *notes],
            confirm,
        )
    for code, why in _suspected(numbers):
        codes.append(code)
        notes.append(f"{code} read as missing: {why}")
        confirm.append(f"'{name}': does {code} mean unknown ({why})?")
    made = Field(name, Kind.NUMERIC, missing_codes=tuple(codes), strip=strip, unit=unit)
    return Guess(made, notes, confirm)


def _stripped(text: pd.Series, counts: pd.Series) -> tuple[tuple[str, ...], str]:
    """Return what is to be taken out of the text, and the unit that it gives."""
    total, unit, strip = counts.sum(), "", []
    weights = counts.to_numpy()
    for suffix in TEN_THOUSANDS:
        if weights[text.str.endswith(suffix)].sum() >= _NEARLY_ALL * total:
            strip.append(suffix)
            text, unit = text.str.removesuffix(suffix), "万元"
            break
    # A comma may stand before decimals; only groups of three are thousands.
    grouped = text.str.contains(r"\d{1,3}(?:[,，]\d{3})+(?![\d,，])", regex=True)
    commas = text.str.contains("[,，]", regex=True)
    for mark in STRIPPED:
        held = text.str.contains(mark, regex=False)
        if not held.any() or (mark in ",，" and (commas & ~grouped).any()):
            continue
        if mark in "%％":
            if weights[held].sum() < _NEARLY_ALL * total:
                continue  # some are percentages, and some may be shares
            unit = "%"
        strip.append(mark)
    return tuple(strip), unit


def _is_code(name: str, spelled: pd.Series, numbers: pd.Series) -> bool:
    """Tell codes that are written in digits from quantities."""
    if not spelled.str.fullmatch(r"\d{1,12}").all():
        return False
    if CODE_NAMES.search(name) and len(numbers) > 2:
        return True
    others = spelled[spelled.str.strip("0") != ""]
    if others.empty or others.str.len().min() < others.str.len().max():
        return False
    length = len(others.iloc[0])
    if others.str.startswith("0").any():
        return length >= 2
    years = others.astype(float).between(1900, 2100).all()
    has_zero = bool((spelled.str.strip("0") == "").any())
    return length >= 4 and not years and has_zero and len(others) >= _ENOUGH


def _suspected(numbers: pd.Series) -> list[tuple[str, str]]:
    """Return numbers that seem to stand for unknown, with the reason."""
    found = []
    values, total = np.asarray(numbers.index, dtype=np.float64), numbers.sum()
    below = values[values < 0]
    often = max(3, int(0.001 * total))
    if (
        len(below) == 1
        and below[0] in (-1, -9, -99, -999, -9999)
        and len(values) > 3
        and numbers[below[0]] >= often
    ):
        found.append((f"{below[0]:.0f}", "the only negative value"))
    top = values.max()
    rest = values[values < top]
    nines = f"{top:.0f}"
    if (
        len(rest) > 3
        and len(nines) >= 3
        and set(nines) == {"9"}
        and top == round(top)
        and numbers[top] >= often
        and np.abs(rest).max() < top / 2
    ):
        found.append((nines, "far above all others"))
    return found


def _text(name: str, counts: pd.Series) -> Guess:
    """Tell categories from text that is different for every loan."""
    total = counts.sum()
    distinct = len(counts) / total
    spelled = pd.Series(counts.index, dtype="str")
    length = float((spelled.str.len() * counts.to_numpy()).sum() / total)
    spaced = float(spelled.str.contains(r"\s").mean())
    if len(counts) >= _ENOUGH and distinct > 0.9 and length <= 32 and spaced < 0.1:
        return _aside(name, Kind.IDENTIFIER, "different for nearly every loan: set aside")
    if (len(counts) >= _ENOUGH and distinct > _MOST) or length > _LONG_TEXT:
        return _aside(name, Kind.CATEGORICAL, "free text: set aside")
    codes = tuple(_unknown(counts))
    made = Field(name, Kind.CATEGORICAL, missing_codes=codes, outside=Outside.MISSING)
    confirm = [f"'{name}': does 无 mean unknown, or none?"] if "无" in codes else []
    return Guess(made, [], confirm)


def _some(counts: pd.Series) -> str:
    """Spell a few values with their counts."""
    shown = [f"'{str(value)[:30]}' ({count})" for value, count in counts.head(4).items()]
    return ", ".join(shown) + (", ..." if len(counts) > 4 else "")


def unit_from(name: str, found: Field) -> str:
    """Return the unit that the values or the column's name give; empty if neither does."""
    return found.unit or unit_of(name)
