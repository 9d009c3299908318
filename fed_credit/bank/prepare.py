"""From a bank's own file and a run to the loans that it answers from, prepared once."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fed_credit import __version__
from fed_credit.bank.cache import BookCache, Prepared, check_same
from fed_credit.bank.disk import digest, private_file, private_folder, read_facts, write_facts
from fed_credit.bank.loans import OwnLoans, load_own
from fed_credit.config.bank import BankSpec
from fed_credit.config.convert import plain
from fed_credit.config.location import schema_dir
from fed_credit.data.load import resolve_schema
from fed_credit.data.records import RejectedRowsError
from fed_credit.errors import DataError, FedCreditError, ReleaseError
from fed_credit.training.run_spec import RunSpec

# Beneath a bank's home folder.
CACHE, RUNS = Path("state") / "cache", Path("state") / "runs"
REJECTED = "rejected_rows.csv"
_NOTE = "loans-"

log = logging.getLogger("fed_credit.bank")


def run_folder(home: Path, run_id: int) -> Path:
    """Return the bank's own folder of a run."""
    return home / RUNS / str(run_id)


def prepare(bank: BankSpec, run: RunSpec, run_id: int, home: Path) -> Prepared:
    """Return a bank's loans for a run, from its cache where it can.

    The first task of a run settles which loans it is about: later tasks get the same ones, though a
    new export may have taken the place of the file by then, and cannot ask about another population
    or split. Files are known by their size and times; a database may answer otherwise in each run,
    and is asked in each.

    Parameters
    ----------
    bank : BankSpec
        Where the loans lie.
    run : RunSpec
        What the run asks for.
    run_id : int
        The run.
    home : Path
        The bank's home folder, for prepared loans and rejected rows.

    Returns
    -------
    Prepared

    Raises
    ------
    ReleaseError
        If the run asks for what the bank does not hold, or about other loans than it began with, or
        these are gone; safe to send.
    FedCreditError
        If the loans cannot be read; its text is for the bank alone.
    """
    store = BookCache(home / CACHE, int(bank.node.cache_gb * 1e9))
    folder = run_folder(home, run_id)
    question = _question(bank, run)
    note = folder / f"{_NOTE}{question[:16]}.json"
    settled = _settled(note)

    def read() -> OwnLoans:
        return _read(bank, run, folder)

    if settled is not None:
        found = store.get(settled["entry"], read)
        if found is not None:
            return found
    population = digest([run.seed, run.decision_point, asdict(run.population)])
    _check_one_population(folder, population)
    stamp = _stamp(bank)
    schema = digest(asdict(resolve_schema(bank.schema, schema_dir())))
    key = digest([question, schema, run_id if stamp is None else stamp])
    with store.building():
        found = store.get(key, read)
        if found is None:
            loans = read()
            if stamp != _stamp(bank):
                raise DataError(
                    f"{bank.source.path} changed while it was read; wait until its export is done."
                )
            found = store.put(key, loans)
    if settled is not None:
        check_same(settled["fingerprint"], found.report.fingerprint)
    fingerprint = found.report.fingerprint
    facts = {"entry": key, "fingerprint": fingerprint, "population": population}
    _settle(note, facts, found.rejected)
    return found


def _question(bank: BankSpec, run: RunSpec) -> str:
    """Return a digest of what is asked, whatever the source answers."""
    population = asdict(run.population)
    return digest(
        [
            __version__,
            [bank.name, bank.schema, plain(bank.source), plain(bank.mapping)],
            [bank.max_rejected_share, bank.allow_late_fields],
            [run.seed, run.decision_point, population, [asdict(item) for item in run.features]],
        ]
    )


def _stamp(bank: BankSpec) -> list[Any] | None:
    """Tell the state of the bank's file; None for a database."""
    if bank.source.path is None:
        return None
    path = Path(bank.source.path)
    try:
        seen = path.stat()
    except OSError:
        return [str(path)]  # reading it will say what is wrong
    return [str(path.resolve()), seen.st_size, seen.st_mtime_ns, seen.st_ino]


def _read(bank: BankSpec, run: RunSpec, folder: Path) -> OwnLoans:
    try:
        return load_own(bank, run)
    except RejectedRowsError as error:
        _write_rejected(folder, error.rejected.to_csv(index=False))
        raise DataError(f"{error} They are listed in {folder / REJECTED}.") from None


def _settled(note: Path) -> dict[str, Any] | None:
    if not note.exists():
        return None
    try:
        facts = read_facts(note)
        return {key: str(facts[key]) for key in ("entry", "fingerprint")}
    except (DataError, LookupError) as error:
        log.warning("The loans of a run are settled anew: %s", error)
        return None


def _check_one_population(folder: Path, population: str) -> None:
    """Refuse a second population in one run: what two of them differ in are single loans."""
    for note in folder.glob(f"{_NOTE}*.json"):
        try:
            settled = read_facts(note).get("population")
        except DataError:
            continue
        if settled != population:
            raise ReleaseError(
                "This run began with another population, split, seed or decision point, and a run"
                " has one of each; start a new run; refused."
            )


def _settle(note: Path, facts: dict[str, Any], rejected: str) -> None:
    try:
        private_folder(note.parent)
        write_facts(note, facts)
    except (FedCreditError, OSError) as error:
        log.warning("Which loans the run is about is not noted: %s", error)
    _write_rejected(note.parent, rejected)


def _write_rejected(folder: Path, text: str) -> None:
    with suppress(FedCreditError, OSError):
        private_folder(folder)
        with private_file(folder / REJECTED) as path:
            path.write_text(text, encoding="utf-8")
