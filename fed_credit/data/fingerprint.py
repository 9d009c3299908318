"""The fingerprint: two runs with the same one have used the same data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pandas as pd

from fed_credit.data.book import Dataset


def fingerprint(dataset: Dataset) -> str:
    """Return the SHA-256 of the loans as used.

    It covers institutions, feature names and values, labels, exposure, firms and decision dates, in
    the order of the data set; equal data in another order of rows have another fingerprint.
    Categories count by their text, so their coding does not matter.

    Parameters
    ----------
    dataset : Dataset
        Labelled loans.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()

    def add(name: str, values: np.ndarray) -> None:
        # Little-endian on every machine, and the shape keeps neighbours apart.
        little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
        digest.update(f"{name}|{little.dtype.str}|{little.shape}|".encode())
        digest.update(little.data if little.size else b"")

    add("institutions", _bytes_of(dataset.names))
    add("offsets", dataset.offsets)
    for name in dataset.features.columns:
        column = dataset.features[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes, categories = column.cat.codes.to_numpy(), column.cat.categories.astype(str)
            order = np.argsort(categories.to_numpy(dtype=object), kind="stable")
            rank = np.append(np.argsort(order, kind="stable"), -1).astype(np.int64)
            used = np.unique(codes[codes >= 0])
            dense = np.searchsorted(np.sort(rank[used]), rank[codes])
            add(f"feature {name}", np.where(codes < 0, -1, dense).astype(np.int64))
            add(f"categories {name}", _bytes_of(sorted(categories[used])))
        else:
            values = column.to_numpy(dtype=np.float64)
            add(f"feature {name}", np.where(np.isnan(values), np.nan, values + 0.0))
    for part in ("y", "exposure", "firm"):
        add(part, getattr(dataset, part))
    add("decided", dataset.decided.astype("datetime64[D]").astype(np.int64))
    return digest.hexdigest()


def _bytes_of(texts: Iterable[str]) -> np.ndarray:
    return np.frombuffer("\x1f".join(texts).encode("utf-8"), dtype=np.uint8)
