"""A prepared loan book on disk, for banks whose work runs in another process."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from fed_credit.data.book import LoanBook
from fed_credit.data.recipe import Recipe
from fed_credit.errors import DataError, SchemaError
from fed_credit.files import replacing

_Y, _EXPOSURE, _PART = "__y", "__exposure", "__part"


def save_book(path: Path, book: LoanBook, parts: np.ndarray) -> None:
    """Write a loan book and its split as one Parquet file, in one step."""
    with replacing(path) as temporary:
        write_book(temporary, book, parts)


def write_book(path: Path, book: LoanBook, parts: np.ndarray) -> None:
    """Write a loan book and its split to a file of the caller's."""
    frame = book.features.assign(**{_Y: book.y, _EXPOSURE: book.exposure, _PART: parts})
    recipes = {name: asdict(recipe) for name, recipe in book.recipes.items()}
    frame.attrs = {"institution": book.institution, "recipes": recipes}
    frame.to_parquet(path, index=False, write_page_checksum=True)


def load_book(path: Path) -> tuple[LoanBook, np.ndarray]:
    """Read what :func:`save_book` wrote: the book, and its split codes ``(n_loans,) int8``.

    Raises
    ------
    DataError
        If the file is missing or is not a stored loan book.
    """
    try:
        frame = pd.read_parquet(path, page_checksum_verification=True)
        name = frame.attrs["institution"]
        recipes = {key: Recipe.from_dict(raw) for key, raw in frame.attrs["recipes"].items()}
        y, exposure, parts = (frame.pop(column).to_numpy() for column in (_Y, _EXPOSURE, _PART))
    except (SchemaError, OSError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not a stored loan book ({error}); store it again.") from None
    return LoanBook(name, frame, y, exposure, recipes), parts
