"""Splits: which loans train, which choose, which test.

All loans of a firm, over all banks, are in one part: a firm seen in training would flatter the
test. A firm's place is keyed by a hash of the seed and the firm, never by the order of the rows.
"""

from __future__ import annotations

import numpy as np

from fed_credit.config.spec import SplitKind, SplitSpec
from fed_credit.data.book import Dataset, Part
from fed_credit.data.firms import at_several, uniform_keys
from fed_credit.data.target import add_months, parse_date
from fed_credit.errors import ConfigurationError, DataError


def assign_parts(
    dataset: Dataset,
    spec: SplitSpec,
    window_months: int | None,
    seed: int,
    *,
    at_one_bank: bool = False,
) -> np.ndarray:
    """Assign every loan to train, validation or test, or set it aside.

    **Random.** Shares are of all loans, and stratified by bank and outcome: a bank's firms queue up
    in the order of their keys, firms with a bad loan apart from the others, and the head of each
    queue that comes nearest to the bank's share of bad (good) loans is taken. Loans of a firm stay
    together. A firm that borrows at several institutions cannot stand in several queues: its key
    alone decides (below ``test_share`` test, below ``test_share + validation_share`` validation),
    and each bank's queues make up for it. So a firm's part depends on its bank's loans and on
    whether the firm is shared, which ``Dataset.shared_firm`` says for the whole source: it stays
    when other banks join or leave, and each bank's shares are exact to within one firm.

    **Out of time.** One date cuts for all banks (:func:`cut_date`). Loans decided on it or later
    are test; earlier ones whose label was mature at the cut (window over, or decided before it if
    there is no window) are divided into train and validation, ``validation_share`` of them as
    above; those in between are set aside (the embargo, unless ``embargo`` is false), and so are
    earlier loans of firms with a test loan, rather than the test loans, which stay the whole
    population of their time.

    **Not stratified** (``stratified`` false). Each bank divides its own loans as if there were no
    other: a firm's key alone decides, so a firm has one part at all its banks although none of them
    knows of the others, and shares hold in expectation. Out of time, a bank sets aside the earlier
    loans of firms with a test loan of its own.

    Parameters
    ----------
    dataset : Dataset
        Labelled loans.
    spec : SplitSpec
        Kind and shares.
    window_months : int or None
        Performance window of the labels.
    seed : int
        Seed of the split.
    at_one_bank : bool, default=False
        Whether the data set is what one bank of a deployment holds: nothing may then depend on the
        other banks' loans, and a part may lack good or bad ones.

    Returns
    -------
    numpy.ndarray
        ``(n_loans,) int8`` of :class:`fed_credit.data.book.Part`.

    Raises
    ------
    ConfigurationError
        If a share is not inside (0, 1) or the shares leave nothing for training, ``test_from`` is
        no date, or one bank alone cannot divide its loans like this.
    DataError
        If an out-of-time split has no decision dates, or a part has no good or no bad loans.
    """
    _check_shares(spec)
    if at_one_bank:
        check_divisible_alone(spec)
    stratified = spec.stratified is not False
    bank = np.repeat(np.arange(len(dataset.names)), np.diff(dataset.offsets))
    shared = dataset.shared_firm
    if shared is None:
        shared = at_several(dataset.firm, bank)
    keys = uniform_keys(dataset.firm, seed)
    parts = np.full(len(dataset), Part.SET_ASIDE, dtype=np.int8)
    if spec.kind is SplitKind.RANDOM:
        divided = np.ones(len(dataset), dtype=bool)
        shares = {Part.TEST: spec.test_share, Part.VALIDATION: spec.validation_share}
    else:
        cut = cut_date(dataset.decided, spec)
        test = dataset.decided >= cut
        known = (
            dataset.decided if window_months is None else add_months(dataset.decided, window_months)
        )
        mature = known < cut if window_months is None else known <= cut
        if not spec.embargo:
            mature = np.ones(len(dataset), dtype=bool)
        divided = ~test & mature & ~_in_test(dataset, test, over_all=stratified)
        parts[test] = Part.TEST
        shares = {Part.VALIDATION: spec.validation_share}
    for k in range(len(dataset.names)):
        rows = np.arange(dataset.offsets[k], dataset.offsets[k + 1])
        rows = rows[divided[rows]]
        parts[rows] = (
            _stratified(dataset.y[rows], dataset.firm[rows], shared[rows], keys[rows], shares)
            if stratified
            else _by_key(keys[rows], shares)
        )
    if not at_one_bank:
        _check_parts(dataset, parts, spec)
    return parts


def check_divisible_alone(spec: SplitSpec) -> None:
    """Refuse a split for which a bank would have to know other banks' loans.

    Parameters
    ----------
    spec : SplitSpec
        Kind and shares.

    Raises
    ------
    ConfigurationError
        Names the key and what to set.
    """
    if spec.stratified is not False:
        raise ConfigurationError(
            "data.split.stratified must be false where banks do not see each other's firms: a"
            " firm's key alone then decides its part."
        )
    if spec.kind is SplitKind.OUT_OF_TIME and spec.test_from is None:
        raise ConfigurationError(
            "data.split.test_from=YYYY-MM-DD has to be given for an out-of-time split in a"
            " deployment: no bank knows the dates of the others' loans."
        )


def _in_test(dataset: Dataset, test: np.ndarray, *, over_all: bool) -> np.ndarray:
    """Say which loans are of a firm with a test loan, at any bank or at the same one."""
    if over_all:
        return np.isin(dataset.firm, dataset.firm[test])
    found = np.zeros(len(dataset), dtype=bool)
    for k in range(len(dataset.names)):
        rows = dataset.rows(k)
        found[rows] = np.isin(dataset.firm[rows], dataset.firm[rows][test[rows]])
    return found


def _by_key(keys: np.ndarray, shares: dict[Part, float]) -> np.ndarray:
    """Divide loans by their firms' keys; what no share claims is for training."""
    place, edges = keys / 2.0**64, np.cumsum(list(shares.values()))
    parts: np.ndarray = np.select([place < edge for edge in edges], list(shares), Part.TRAIN)
    return parts.astype(np.int8)


def cut_date(decided: np.ndarray, spec: SplitSpec) -> np.datetime64:
    """Return the first day of the test period.

    Parameters
    ----------
    decided : numpy.ndarray
        ``(n_loans,) datetime64[D]``: decision dates over all banks; only counts by month are used.
    spec : SplitSpec
        ``test_from``, or else ``test_share``: the start of the month that leaves the share of loans
        decided then or later nearest to it (the earlier of two equally near).

    Returns
    -------
    numpy.datetime64
        A day.

    Raises
    ------
    ConfigurationError
        If ``test_from`` is no date.
    DataError
        If a loan has no decision date.
    """
    undated = int(np.isnat(decided).sum())
    if undated:
        raise DataError(
            f"data.split.kind=out_of_time needs decision dates, but {undated} of {len(decided)}"
            " loans have none: name the date under roles.decision_date of the schema, or use"
            " data.split.kind=random."
        )
    if spec.test_from is not None:
        return parse_date("data.split.test_from", spec.test_from)
    month = decided.astype("datetime64[M]").astype(np.int64)
    first = int(month.min())
    counts = np.bincount(month - first)
    later = np.cumsum(counts[::-1])[::-1] / len(decided)
    nearest = int(np.argmin(np.abs(later - spec.test_share)))
    return np.datetime64(str(np.datetime64(first + nearest, "M")), "D")


def split_warnings(dataset: Dataset, parts: np.ndarray) -> tuple[str, ...]:
    """Return what a reader of figures on this split has to know.

    Parameters
    ----------
    dataset : Dataset
        Labelled loans.
    parts : numpy.ndarray
        ``(n_loans,) int8`` as from :func:`assign_parts`.

    Returns
    -------
    tuple of str
        One sentence per part for the banks that have no good or no bad loan in it.
    """
    sentences = []
    for part in (Part.TRAIN, Part.VALIDATION, Part.TEST):
        lacking = [
            name
            for k, name in enumerate(dataset.names)
            if len(np.unique(dataset.y[dataset.rows(k)][parts[dataset.rows(k)] == part])) < 2
        ]
        if lacking:
            sentences.append(
                f"{len(lacking)} of {len(dataset.names)} institutions lack good or bad"
                f" {part.name.lower()} loans: {', '.join(lacking[:5])}"
                f"{', ...' if len(lacking) > 5 else ''}."
            )
    return tuple(sentences)


def _stratified(
    y: np.ndarray, firm: np.ndarray, shared: np.ndarray, keys: np.ndarray, shares: dict[Part, float]
) -> np.ndarray:
    """Divide one bank's loans by outcome and firm; what no share claims is for training."""
    parts = np.full(len(y), Part.TRAIN, dtype=np.int8)
    parts[shared] = _by_key(keys[shared], shares)
    own = np.flatnonzero(~shared)
    _, head, member = np.unique(firm[own], return_index=True, return_inverse=True)
    bads = np.bincount(member, weights=y[own]).astype(np.int64)
    goods = np.bincount(member).astype(np.int64) - bads
    order = np.argsort(keys[own][head])
    with_bad, only_good = order[bads[order] > 0], order[bads[order] == 0]
    part_of_firm = np.full(len(head), Part.TRAIN, dtype=np.int8)
    for part, share in shares.items():
        claimed = y[shared & (parts == part)]
        want_bad = _rounded(share * (y == 1).sum()) - int((claimed == 1).sum())
        taken = with_bad[: _nearest_head(bads[with_bad], want_bad)]
        with_bad = with_bad[len(taken) :]
        part_of_firm[taken] = part
        want_good = _rounded(share * (y == 0).sum()) - int((claimed == 0).sum())
        want_good -= int(goods[taken].sum())
        taken = only_good[: _nearest_head(goods[only_good], want_good)]
        only_good = only_good[len(taken) :]
        part_of_firm[taken] = part
    parts[own] = part_of_firm[member]
    return parts


def _nearest_head(sizes: np.ndarray, want: int) -> int:
    """Return how many firms at the head of a queue hold nearest to ``want`` loans."""
    return int(np.argmin(np.abs(np.r_[0, np.cumsum(sizes)] - max(want, 0))))


def _rounded(value: float) -> int:
    return int(np.floor(value + 0.5))


def _check_shares(spec: SplitSpec) -> None:
    for key, share in (("test", spec.test_share), ("validation", spec.validation_share)):
        if not 0.0 < share < 1.0:
            raise ConfigurationError(f"data.split.{key}_share={share} must lie between 0 and 1.")
    if spec.kind is SplitKind.RANDOM and spec.test_share + spec.validation_share >= 1.0:
        raise ConfigurationError(
            f"data.split.test_share={spec.test_share} and validation_share={spec.validation_share}"
            " leave no loans for training: their sum must be below 1."
        )


def _check_parts(dataset: Dataset, parts: np.ndarray, spec: SplitSpec) -> None:
    for part in (Part.TEST, Part.TRAIN, Part.VALIDATION):
        bads = int(dataset.y[parts == part].sum())
        goods = int((parts == part).sum()) - bads
        if bads and goods:
            continue
        mend = "raise data.split's shares or use more loans"
        if spec.kind is SplitKind.OUT_OF_TIME:
            cut = cut_date(dataset.decided, spec)
            mend = (
                f"the cut is {cut}: move it with data.split.test_from, or use"
                " data.split.kind=random"
            )
        raise DataError(
            f"The {spec.kind} split leaves {goods} good and {bads} bad {part.name.lower()} loans"
            f" over all institutions, and both are needed; {mend}."
        )
