"""What a bank asks of a question that came by wire: that a run of these settings can lead to it.

Whoever wrote it may have put other cuts, classes, columns or trees there than any fit gives. A bank
knows neither the other banks' loans nor the sums, so it cannot tell whether cuts follow from them.
It can hold numbers to those of the run's settings, and refuse what only a forger would ask.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from fed_credit.data.schema import Kind
from fed_credit.errors import ReleaseError
from fed_credit.features.bins import REFINED_BINS
from fed_credit.features.cells import refinable
from fed_credit.features.cuts import DetailsQuestion, HistogramQuestion, PartsQuestion
from fed_credit.features.fine_bins import FineBins
from fed_credit.features.received import check_steps
from fed_credit.models.likelihood import LikelihoodQuestion
from fed_credit.models.moments import CrossProductsQuestion
from fed_credit.scorecard.binning import Binning
from fed_credit.scorecard.calibration import ScoreCountsQuestion
from fed_credit.scorecard.counts import ClassCountsQuestion
from fed_credit.scorecard.drift import DriftQuestion
from fed_credit.scorecard.points import Scorecard
from fed_credit.training.questions import (
    AboutFields,
    AboutMatrix,
    Asked,
    PreparedDesign,
    read_columns,
)
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.seeds import keyed_seed

if TYPE_CHECKING:  # numba takes a second to import, and few runs grow trees
    from fed_credit.trees.columns import Column, Columns

MOST_BINS = 1000
"""Bins of a feature, whatever the run's own settings say."""

_LARGEST = 2.0**127  # of a cut; trees compare in float32
_LARGEST_WEIGHT = 2.0**10  # of evidence: the logarithm of any ratio of counts is far below
_LARGEST_POINTS = 10**6
_LARGEST_COEFFICIENT = 2.0**60


def check_question(asked: Asked, run: RunSpec) -> None:
    """Refuse a question that no run of these settings leads to.

    Parameters
    ----------
    asked : AboutFields, AboutMatrix or AboutTrees
        As it came.
    run : RunSpec
        The run, whose features the bank has found to be its own.

    Raises
    ------
    ReleaseError
        Names what is wrong; safe to send.
    """
    if isinstance(asked, AboutFields):
        _check_fields(asked, run)
    elif isinstance(asked, AboutMatrix):
        _check_matrix(asked, run)
    else:
        trees = run.model.boosting[1]
        _check_columns_once(asked.text, run.json_text)
        asked.request.check_growth(
            rounds=run.rounds,
            trees_per_round=trees.trees_per_round,
            max_depth=trees.max_depth,
            row_share=trees.row_share,
            seed=keyed_seed(run.seed, "trees"),
        )


def check_card(card: Scorecard, run: RunSpec) -> None:
    """Refuse a scorecard that no run of these settings gives; see :func:`check_question`."""
    _check_binnings([one.binning for one in card.characteristics], run)
    numbers = [card.base_points]
    for one in card.characteristics:
        _ask(len(one.points) == len(one.binning.classes), "points for other classes", one.name)
        numbers += [*one.points, one.neutral_points]
    _ask(all(abs(number) <= _LARGEST_POINTS for number in numbers), "too many points")


def check_columns(columns: Columns, run: RunSpec) -> None:
    """Refuse columns of trees that no run of these settings gives; see :func:`check_question`."""
    of: dict[str, list[Column]] = {}
    for column in columns.columns:
        of.setdefault(column.fine.feature.name, []).append(column)
    for name, group in of.items():
        fine = group[0].fine
        _check_fine(fine, run)
        listed = fine.feature.kind is Kind.CATEGORICAL
        _ask(len(group) <= (fine.size if listed else 1), "too many columns", name)
        for column in group:
            _ask(column.fine == fine, "several sets of bins", name)
            _ask(len(column.levels) == (fine.size if listed else 0), "other categories", name)
            levels = (level for level in column.levels if level is not None)
            _ask(all(_is_number(level, fine.size) for level in levels), "odd numbers", name)


# A run asks about the same columns in every exchange.
@lru_cache(maxsize=4)
def _check_columns_once(columns: str, run: str) -> None:
    check_columns(read_columns(columns), RunSpec.from_json(run))


def _check_fields(asked: AboutFields, run: RunSpec) -> None:
    question = asked.question
    if isinstance(question, HistogramQuestion):
        _check_numeric(question.features, question.specials, run)
    elif isinstance(question, PartsQuestion):
        _check_numeric(question.bins, question.specials, run)
        _check_places(question.bins, refinable, run)
    elif isinstance(question, DetailsQuestion):
        _check_numeric(question.parts, question.specials, run)
        _check_places(
            question.parts, lambda place: refinable(place[0]) and 0 <= place[1] < REFINED_BINS, run
        )
    elif isinstance(question, ClassCountsQuestion):
        _check_once(fine.feature.name for fine in question.bins)
        for fine in question.bins:
            _check_fine(fine, run)
    elif isinstance(question, DriftQuestion):
        _check_binnings(question.binnings, run)
    else:
        assert isinstance(question, ScoreCountsQuestion)
        check_card(question.card, run)


def _check_matrix(asked: AboutMatrix, run: RunSpec) -> None:
    design, question = asked.design, asked.question
    if isinstance(design, PreparedDesign):
        check_steps(design.preprocessor, run.features)
        exponents = design.columns.exponents
    else:
        _check_binnings(design.binnings, run)
        exponents = design.exponents
    assert isinstance(question, CrossProductsQuestion | LikelihoodQuestion)
    # Narrower ranges would turn refusals into answers about single values.
    _ask(question.exponents == exponents, "other ranges than those of its design")
    if isinstance(question, LikelihoodQuestion):
        fits = len(question.coefficients) == len(exponents) + 1 and all(
            _is_number(value, _LARGEST_COEFFICIENT) for value in question.coefficients
        )
        _ask(fits, "coefficients that do not fit its design")


def _check_binnings(binnings: Sequence[Binning], run: RunSpec) -> None:
    _check_once(binning.name for binning in binnings)
    for binning in binnings:
        _check_fine(binning.fine, run)
        codes = [code for one in binning.classes for code in one.codes]
        fits = (
            0 < len(binning.classes) <= binning.fine.size
            and 0 <= binning.neutral < len(binning.classes)
            and len(set(codes)) == len(codes)
            and all(0 <= code < binning.fine.size for code in codes)
            and all(_is_number(one.woe, _LARGEST_WEIGHT) for one in binning.classes)
            and all(_is_count(n) for one in binning.classes for n in (one.goods, one.bads))
        )
        _ask(fits, "classes that are none", binning.name)


def _check_fine(fine: FineBins, run: RunSpec) -> None:
    name, numeric = fine.feature.name, fine.feature.kind is Kind.NUMERIC
    cuts, specials = fine.cuts, fine.specials
    _ask(numeric or not (cuts or specials), "cuts where there are no numbers", name)
    if numeric:
        _ask(specials == _specials(name, run), "other special values than the run's", name)
        fits = all(_is_number(value, _LARGEST) for value in (*cuts, *specials))
        fits = fits and all(low < high for low, high in pairwise(cuts))
        _ask(fits, "cuts that do not rise", name)
        _ask(len(cuts) < _most_bins(run), "more bins than the run's cuts.max_bins", name)


def _check_numeric(
    names: Iterable[str], specials: Mapping[str, Sequence[float]], run: RunSpec
) -> None:
    names = list(names)
    _check_once(names)
    kinds = {feature.name: feature.kind for feature in run.features}
    for name in names:
        _ask(kinds.get(name) is Kind.NUMERIC, "a histogram where there are no numbers", name)
        asked = tuple(specials.get(name, ()))
        _ask(asked == _specials(name, run), "other special values than the run's", name)
        _ask(all(_is_number(value, _LARGEST) for value in asked), "odd special values", name)


def _check_places(
    wanted: Mapping[str, Sequence[Any]], inside: Callable[[Any], bool], run: RunSpec
) -> None:
    for name, places in wanted.items():
        rising = all(low < high for low, high in pairwise(places))
        _ask(bool(places) and rising and all(map(inside, places)), "parts of no bins", name)
        _ask(len(places) <= _most_bins(run), "more parts than the run's cuts.max_bins", name)


def _check_once(names: Iterable[str]) -> None:
    names = list(names)
    _ask(len(set(names)) == len(names), "one feature several times")


def _specials(name: str, run: RunSpec) -> tuple[float, ...]:
    cuts = run.model.cuts
    found = () if cuts is None else tuple(sorted(cuts.special_values.get(name, ())))
    _ask(len(found) <= MOST_BINS, "too many special values", name)
    return found


def _most_bins(run: RunSpec) -> int:
    return 0 if run.model.cuts is None else min(run.model.cuts.max_bins, MOST_BINS)


def _is_number(value: Any, largest: float) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and abs(value) <= largest


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _ask(fits: bool, what: str, name: str = "") -> None:
    if not fits:
        about = f" for '{name[:80]}'" if name else ""
        raise ReleaseError(
            f"The request holds {what}{about}, which no run of these settings leads to; refused."
        )
