"""Prepared loans on the bank's disk: read from the source once, mapped into memory from then on.

An entry is a folder of its key's name. Files are written one by one, each in one step; the facts,
written last, hold the check sums of the others. What is damaged, cut off or gone is made anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from clients.bank import MatrixStore
from fed_credit.bank.disk import (
    private_file,
    private_folder,
    read_array,
    read_facts,
    write_array,
    write_facts,
)
from fed_credit.bank.loans import OwnLoans
from fed_credit.data.book import Book, DataReport, Part
from fed_credit.data.recipe import Recipe
from fed_credit.data.store import load_book, write_book
from fed_credit.errors import DataError, FedCreditError, ReleaseError, SchemaError

_FACTS, _BOOK, _REJECTED, _LOCK = "facts.json", "book.parquet", "rejected_rows.csv", "lock"
_ARRAYS = ("y", "exposure", "parts")

log = logging.getLogger("fed_credit.bank")


@dataclass(frozen=True)
class Prepared:
    """A bank's loans for a run, ready to answer from.

    Parameters
    ----------
    book : Book
        The labelled loans; from a cache, their features are read when they are asked for.
    parts : numpy.ndarray
        ``(n_loans,) int8`` codes of :class:`~fed_credit.data.book.Part`.
    report : DataReport
        Where every row of the source went.
    warnings : tuple of str
        What a reader of figures on these loans has to know.
    rejected : str
        Rejected rows as CSV.
    matrices : callable or None
        Where prepared matrices outlast the process.
    """

    book: Book
    parts: np.ndarray
    report: DataReport
    warnings: tuple[str, ...]
    rejected: str
    matrices: MatrixStore | None

    @classmethod
    def in_memory(cls, loans: OwnLoans) -> Prepared:
        """Take loans as they were read, kept nowhere."""
        rejected = loans.rejected.to_csv(index=False)
        return cls(loans.book, loans.parts, loans.report, loans.warnings, rejected, None)


class BookCache:
    """Keeps prepared loans in a folder of limited size; the least recently used files go first.

    Parameters
    ----------
    folder : Path
        Made for the owner alone when it is first needed; deleting it loses nothing but time.
    most_bytes : int
        What its files may take.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder, self._most = folder, most_bytes

    @contextmanager
    def building(self) -> Iterator[None]:
        """Let one process at a time read a source, so that others find what it has read."""
        with ExitStack() as stack:
            with suppress(OSError):  # a disk that takes no lock file takes no entry either
                private_folder(self._folder)
                file = stack.enter_context((self._folder / _LOCK).open("a"))
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def get(self, key: str, read: Callable[[], OwnLoans]) -> Prepared | None:
        """Return an entry, if there is a whole one.

        Parameters
        ----------
        key : str
            Its key.
        read : callable
            Reads the same loans from their source, should the features turn out to be gone.

        Returns
        -------
        Prepared or None
        """
        folder = self._folder / key
        try:
            facts = read_facts(folder / _FACTS)
            sums = facts["check_sums"]
            y, exposure, parts = (
                self._array(folder / f"{name}.npy", sums[name]) for name in _ARRAYS
            )
            recipes = {name: Recipe.from_dict(raw) for name, raw in facts["recipes"].items()}
            report = DataReport(**facts["report"])
            rejected = (folder / _REJECTED).read_text(encoding="utf-8")
        except (DataError, SchemaError, OSError, LookupError, TypeError, ValueError) as error:
            if folder.exists():
                log.warning("Prepared loans are made anew: %s", error)
            return None
        self._used(folder / _FACTS, folder / _REJECTED)
        book = _StoredBook(
            facts["institution"],
            tuple(facts["columns"]),
            y,
            exposure,
            recipes,
            lambda: self._features(folder, report.fingerprint, read),
        )
        matrices = self._matrices(folder, report.fingerprint)
        return Prepared(book, parts, report, tuple(facts["warnings"]), rejected, matrices)

    def put(self, key: str, loans: OwnLoans) -> Prepared:
        """Keep loans that were read.

        Parameters
        ----------
        key : str
            Key of the entry.
        loans : OwnLoans
            What it holds.

        Returns
        -------
        Prepared
            In memory; what the disk does not take is logged, and read anew by the next task.
        """
        made, folder = Prepared.in_memory(loans), self._folder / key
        if not self._most:
            return made
        try:
            self._write(folder, loans, made.rejected)
        except (FedCreditError, OSError) as error:
            log.warning("Prepared loans are not kept: %s", error)
            return made
        self._make_room()
        if not (folder / _FACTS).exists():
            log.warning(
                "Prepared loans take more than %.3g GB (node.cache_gb in bank.yaml), so each task"
                " reads them anew; raise it.",
                self._most / 1e9,
            )
        return replace(made, matrices=self._matrices(folder, loans.report.fingerprint))

    def _write(self, folder: Path, loans: OwnLoans, rejected: str) -> None:
        book = loans.book
        private_folder(folder)
        with private_file(folder / _BOOK) as path:
            write_book(path, book, loans.parts)
        arrays = zip(_ARRAYS, (book.y, book.exposure, loans.parts), strict=True)
        sums = {name: write_array(folder / f"{name}.npy", array) for name, array in arrays}
        with private_file(folder / _REJECTED) as path:
            path.write_text(rejected, encoding="utf-8")
        write_facts(
            folder / _FACTS,
            {
                "institution": book.institution,
                "columns": list(book.columns),
                "recipes": {name: asdict(recipe) for name, recipe in book.recipes.items()},
                "report": asdict(loans.report),
                "warnings": list(loans.warnings),
                "check_sums": sums,
            },
        )

    def _features(
        self, folder: Path, fingerprint: str, read: Callable[[], OwnLoans]
    ) -> pd.DataFrame:
        try:
            features = load_book(folder / _BOOK)[0].features
            self._used(folder / _BOOK)
            return features
        except DataError as error:
            log.warning("The book is read anew: %s", error)
        loans = read()
        check_same(fingerprint, loans.report.fingerprint)
        if folder.is_dir():
            with suppress(FedCreditError, OSError), private_file(folder / _BOOK) as path:
                write_book(path, loans.book, loans.parts)
            self._make_room()
        return loans.book.features

    def _matrices(self, folder: Path, fingerprint: str) -> MatrixStore:
        def matrix(preprocessor: str, part: Part, make: Callable[[], np.ndarray]) -> np.ndarray:
            # The loans' own fingerprint too: a matrix of other loans must never be taken.
            of = hashlib.sha256(f"{preprocessor} {fingerprint}".encode()).hexdigest()
            path = folder / f"{of}.{part.name.lower()}.npy"
            with suppress(DataError):
                return self._array(path)
            made = make()
            try:
                private_folder(folder)
                write_array(path, made)
                return read_array(path)
            except (FedCreditError, OSError) as error:
                log.warning("A prepared matrix is not kept: %s", error)
                return made
            finally:
                self._make_room()

        return matrix

    def _array(self, path: Path, check: int | None = None) -> np.ndarray:
        array = read_array(path, check)
        self._used(path)
        return array

    def _used(self, *paths: Path) -> None:
        for path in paths:
            with suppress(OSError):
                os.utime(path)

    def _make_room(self) -> None:
        """Delete the least recently used files; whoever has one mapped keeps its pages."""
        found = []
        for path in self._folder.glob("*/*"):
            with suppress(OSError):
                seen = path.stat()
                found.append((seen.st_mtime_ns, seen.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._most:
                break
            with suppress(OSError):
                path.unlink()
                total -= size
        for folder in {path.parent for _, _, path in found}:
            with suppress(OSError):
                folder.rmdir()  # only an empty one goes


def check_same(fingerprint: str, now: str) -> None:
    """Refuse to go on with other loans than a run began with.

    Parameters
    ----------
    fingerprint, now : str
        Of the loans then and now.

    Raises
    ------
    ReleaseError
        Safe to send.
    """
    if now != fingerprint:
        raise ReleaseError(
            "The bank's loans are no longer those that this run began with; start a new run;"
            " refused."
        )


@dataclass(frozen=True)
class _StoredBook:
    """A book whose features stay on the disk until they are asked for."""

    institution: str
    columns: Sequence[str]
    y: np.ndarray
    exposure: np.ndarray
    recipes: Mapping[str, Recipe]
    load: Callable[[], pd.DataFrame]

    @cached_property
    def features(self) -> pd.DataFrame:
        """The features, ``(n_loans, n_features)``."""
        return self.load()
