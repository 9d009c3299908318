"""Institutions: whose loans are whose, in nature or drawn, and who takes part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fed_credit.config.spec import PartitionKind, PartitionSpec
from fed_credit.errors import ConfigurationError, DataError


@dataclass(frozen=True)
class Institutions:
    """Which loan belongs to which institution that takes part.

    Parameters
    ----------
    names : tuple of str
        Institutions that take part, largest first, ties by name.
    member : numpy.ndarray
        ``(n_loans,) int64``: index into ``names``, -1 for loans of institutions left out.
    left_out : int
        How many institutions are left out, too small or beyond the number asked for.
    """

    names: tuple[str, ...]
    member: np.ndarray
    left_out: int


def draw(y: np.ndarray, spec: PartitionSpec, seed: int) -> pd.Series:
    """Draw an institution for every loan.

    ``iid`` deals loans out at random in equal shares. ``quantity`` draws the institutions' shares
    of the loans from Dir(alpha). ``dirichlet`` gives every institution the same number of loans and
    draws its default rate from Dir(alpha * p) with ``p`` the overall shares of good and bad loans,
    without replacement: what one class can no longer supply comes from the other (Hsu, Qi and
    Brown, "Measuring the Effects of Non-Identical Data Distribution for Federated Visual
    Classification", 2019, section 2). No institution is empty.

    Parameters
    ----------
    y : numpy.ndarray
        ``(n_loans,) int8``: 1 bad, 0 good.
    spec : PartitionSpec
        Kind, number of institutions and concentration.
    seed : int
        Seed of the draw.

    Returns
    -------
    pandas.Series
        ``(n_loans,) str``: ``part-01``, ``part-02``, ...

    Raises
    ------
    ConfigurationError
        If there are fewer than two institutions, or alpha is not positive.
    DataError
        If there are fewer loans than institutions.
    """
    k, n = spec.num_parts, len(y)
    if k < 2:
        raise ConfigurationError(f"data.partition.num_parts={k} must be at least 2.")
    if not (np.isfinite(spec.alpha) and spec.alpha > 0):
        raise ConfigurationError(f"data.partition.alpha={spec.alpha} must be a positive number.")
    if n < k:
        raise DataError(
            f"data.partition.num_parts={k} institutions cannot be drawn from {n} labelled loans:"
            " lower it."
        )
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0x1257]))
    sizes = np.full(k, n // k)
    sizes[: n % k] += 1
    if spec.kind is PartitionKind.QUANTITY:
        sizes = 1 + rng.multinomial(n - k, _dirichlet(rng, np.full(k, spec.alpha)))
    if spec.kind is PartitionKind.DIRICHLET:
        part = _label_skew(rng, y, sizes, spec.alpha)
    else:
        part = np.empty(n, dtype=np.int64)
        part[rng.permutation(n)] = np.repeat(np.arange(k), sizes)
    width = max(2, len(str(k)))
    names = np.array([f"part-{place:0{width}d}" for place in range(1, k + 1)], dtype=object)
    return pd.Series(names[part], dtype="str")


def _label_skew(
    rng: np.random.Generator, y: np.ndarray, sizes: np.ndarray, alpha: float
) -> np.ndarray:
    """Deal loans out by each institution's own default rate while both classes last."""
    bad, good = rng.permutation(np.flatnonzero(y == 1)), rng.permutation(np.flatnonzero(y == 0))
    prior = len(bad) / len(y)
    part = np.empty(len(y), dtype=np.int64)
    next_bad = next_good = 0
    for place, size in enumerate(sizes):
        rate = prior
        if 0.0 < prior < 1.0:
            rate = _dirichlet(rng, alpha * np.array([prior, 1.0 - prior]))[0]
        bads = min(int(rng.binomial(size, rate)), len(bad) - next_bad)
        bads = max(bads, size - (len(good) - next_good))
        part[bad[next_bad : next_bad + bads]] = place
        part[good[next_good : next_good + size - bads]] = place
        next_bad, next_good = next_bad + bads, next_good + size - bads
    return part


def _dirichlet(rng: np.random.Generator, alpha: np.ndarray) -> np.ndarray:
    """Draw from a Dirichlet; for a tiny alpha all gammas underflow, and one share takes all."""
    shares = rng.dirichlet(alpha)
    if not np.isfinite(shares).all():
        shares = np.zeros(len(alpha))
        shares[rng.choice(len(alpha), p=alpha / alpha.sum())] = 1.0
    return np.asarray(shares, dtype=np.float64)


def choose(
    names: pd.Series, *, min_loans: int, num_institutions: int | None, fewest: int = 2
) -> Institutions:
    """Choose the institutions that take part, the largest first.

    Parameters
    ----------
    names : pandas.Series
        ``(n_loans,) str``: institution of every labelled loan.
    min_loans : int
        Institutions with fewer loans are left out.
    num_institutions : int or None
        The k largest take part, ties broken by name; None for all.
    fewest : int, default=2
        How many there have to be; 1 at a bank that loads its own loans alone.

    Returns
    -------
    Institutions

    Raises
    ------
    ConfigurationError
        If a number is not positive, or more institutions are asked for than there are.
    DataError
        If fewer institutions than needed are there or asked for: one bank is no federation.
    """
    for key, value in (
        ("data.min_loans", min_loans),
        ("federation.num_institutions", num_institutions),
    ):
        if value is not None and value < 1:
            raise ConfigurationError(f"{key}={value} must be at least 1.")
    codes, found = pd.factorize(names, sort=False)
    sizes = np.bincount(codes, minlength=len(found))
    ranked = sorted(range(len(found)), key=lambda place: (-sizes[place], str(found[place])))
    large = [place for place in ranked if sizes[place] >= min_loans]
    if len(large) < fewest:
        raise DataError(
            f"Only {len(large)} of {len(found)} institutions have at least"
            f" data.min_loans={min_loans} labelled loans, and a federation needs two: lower"
            " data.min_loans, or draw institutions with data.partition.kind=iid."
        )
    if num_institutions is not None and num_institutions > len(large):
        raise ConfigurationError(
            f"federation.num_institutions={num_institutions}, but only {len(large)} of"
            f" {len(found)} institutions have at least data.min_loans={min_loans} labelled loans:"
            f" set federation.num_institutions to {len(large)} or fewer, or lower data.min_loans."
        )
    if num_institutions == 1 < fewest:
        raise DataError(
            "federation.num_institutions=1 leaves one bank, and a federation needs two: set it to"
            f" 2 to {len(large)}, or null for all."
        )
    taken = large[:num_institutions]
    place_of = np.full(len(found), -1, dtype=np.int64)
    place_of[taken] = np.arange(len(taken))
    return Institutions(
        tuple(str(found[place]) for place in taken), place_of[codes], len(found) - len(taken)
    )
