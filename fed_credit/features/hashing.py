"""Fixed hash buckets for categories that no schema lists."""

from __future__ import annotations

import zlib

import numpy as np
import pandas as pd


def bucket_codes(values: pd.Series, buckets: int) -> np.ndarray:
    """Return each value's bucket: CRC-32 of its UTF-8 text modulo ``buckets``, -1 where missing.

    Parameters
    ----------
    values : pandas.Series
        ``(n,)`` text or categories.
    buckets : int
        Number of buckets.

    Returns
    -------
    numpy.ndarray
        ``(n,) int64``.
    """
    codes, uniques = pd.factorize(values)
    table = np.array(
        [zlib.crc32(str(value).encode()) % buckets for value in uniques] + [-1], dtype=np.int64
    )
    return table[codes]
