"""Keys by which runs recognise each other's loans, without holding their identifiers."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd

from fed_credit.config.convert import plain
from fed_credit.config.spec import DataSpec, SourceKind
from fed_credit.data.book import Dataset


def loan_keys(dataset: Dataset, spec: DataSpec) -> np.ndarray:
    """Return a key per loan: equal in two runs if it is the same loan with the same target.

    Parameters
    ----------
    dataset : Dataset
        Labelled loans.
    spec : DataSpec
        Where they come from. The generator's knobs and the target are part of the key, since they
        make other loans, or other outcomes, of the same identifiers.

    Returns
    -------
    numpy.ndarray
        ``(n_loans,) uint64``: hash of institution and loan identifier. Two of a million loans
        share one with probability 3e-8.
    """
    generated = spec.source is SourceKind.SYNTHETIC
    what = [spec.source, plain(spec.target), plain(spec.generator) if generated else None]
    salt = json.dumps(what, sort_keys=True)
    banks = [
        int.from_bytes(hashlib.blake2b(f"{salt}\x1f{name}".encode(), digest_size=8).digest())
        for name in dataset.names
    ]
    of_bank = np.repeat(np.array(banks, dtype=np.uint64), np.diff(dataset.offsets))
    of_loan = pd.util.hash_array(dataset.loan_id.astype(object), categorize=False)
    keys: np.ndarray = of_loan.astype(np.uint64) ^ of_bank
    return keys
