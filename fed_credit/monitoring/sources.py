"""Where a monitor's model, loans and applications come from, in a home or on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fed_credit.bank.loans import source_spec
from fed_credit.config.bank import BANK_FILE, load_bank
from fed_credit.config.monitor import MONITOR_FILE, MonitorSpec
from fed_credit.config.serve import load_serve
from fed_credit.config.spec import CsvSpec, InstitutionSpec, MappingSpec, SourceSpec
from fed_credit.data.every_loan import EveryLoan, read_every_loan
from fed_credit.data.records import RejectedRowsError
from fed_credit.data.schema import KnownAt, Schema, load_schema
from fed_credit.decision_log.log import DecisionLog
from fed_credit.errors import ConfigurationError, DataError
from fed_credit.files import write_text
from fed_credit.model_file.archive import Opened, open_model_file
from fed_credit.monitoring.job import Applications, profile_of
from fed_credit.monitoring.report import FOLDER, Watched
from fed_credit.registry.registry import Registry
from fed_credit.scoring.scorer import Scorer

CHAMPION, CHALLENGER = "champion", "challenger"
REJECTED = "rejected_rows.csv"


@dataclass(frozen=True)
class Place:
    """Where loans lie.

    Parameters
    ----------
    bank : str or None
        Whose they are, as ``bank.yaml`` says; None where there is none.
    source, mapping
        The table and its names.
    max_rejected_share : float
        Nothing is reported when a larger share of the rows is rejected.
    """

    bank: str | None
    source: SourceSpec
    mapping: MappingSpec
    max_rejected_share: float


def find_model(home: Path, word: str) -> tuple[Opened, Watched]:
    """Return the model that a word names.

    Parameters
    ----------
    home : Path
        Whose registry is asked.
    word : str
        ``champion``, ``challenger``, a version's number, or the path of a model's file.

    Raises
    ------
    ConfigurationError
        If there is none.
    FedCreditError
        If the registry or the file cannot be read.
    """
    if word not in (CHAMPION, CHALLENGER) and not word.isdecimal():
        opened = open_model_file(Path(word))
        return opened, Watched(None, opened.sha256)
    with Registry.open(load_serve(home).registry) as registry:
        if word.isdecimal():
            version = registry.version(int(word))
        else:
            found = registry.champion() if word == CHAMPION else registry.challenger()
            if found is None:
                raise ConfigurationError(
                    f"The registry of {home} has no {word}; promote a version with fed-credit"
                    " registry, or name a model's file with --model."
                )
            version = found
        opened = registry.model(version.number)
    return opened, Watched(version.number, opened.sha256)


def find_place(home: Path, settings: MonitorSpec, loans: Path | None) -> Place:
    """Return where the loans lie: as the command says, else ``monitor.yaml``, else ``bank.yaml``.

    Raises
    ------
    ConfigurationError
        If nobody says.
    """
    bank = load_bank(home) if (home / BANK_FILE).is_file() else None
    name = None if bank is None else bank.name
    mapping = settings.mapping or MappingSpec({}, {}, {}, {})
    if loans is not None:
        csv = CsvSpec("auto", "auto", ".") if settings.source is None else settings.source.csv
        source = SourceSpec(str(loans), None, None, csv)
        return Place(name, source, mapping, settings.max_rejected_share)
    if settings.source is not None:
        return Place(name, settings.source, mapping, settings.max_rejected_share)
    if bank is not None:
        own = bank.mapping if settings.mapping is None else settings.mapping
        return Place(name, bank.source, own, bank.max_rejected_share)
    raise ConfigurationError(
        f"{home} does not say where the loans lie: name a file with --loans, or a source in"
        f" {MONITOR_FILE} or {BANK_FILE}."
    )


def read_loans(
    home: Path, place: Place, scorer: Scorer, as_of: str, schema: Path | None
) -> EveryLoan:
    """Read all loans of a place, with their outcomes by a day.

    Parameters
    ----------
    home : Path
        Takes the list of rejected rows, if too many are.
    place : Place
        Where they lie.
    scorer : Scorer
        Whose features and performance window hold.
    as_of : str
        ``YYYY-MM-DD``.
    schema : Path or None
        What the columns are, in place of the model's own schema.

    Raises
    ------
    FedCreditError
        If they cannot be read.
    """
    own = scorer.model.schema if schema is None else _like(load_schema(schema), scorer)
    names = [feature.name for feature in scorer.model.artefact.model.features]
    window = profile_of(scorer).window_months
    return read_place(home, place, own, names, window_months=window, as_of=as_of)


def read_place(
    home: Path,
    place: Place,
    schema: Schema,
    names: Sequence[str],
    *,
    window_months: int | None,
    as_of: str,
) -> EveryLoan:
    """Read all loans of a place, with some fields and their outcomes by a day.

    Parameters
    ----------
    home : Path
        Takes the list of rejected rows, if too many are.
    place : Place
        Where they lie.
    schema : Schema
        What the columns are.
    names : sequence of str
        Fields of it that models look at.
    window_months : int or None
        Performance window; None for the final status.
    as_of : str
        ``YYYY-MM-DD``.

    Raises
    ------
    FedCreditError
        If they cannot be read.
    """
    # What is known late is in a model because those who trained it agreed to it.
    fields = tuple(schema.fields[name] for name in names)
    institution = InstitutionSpec(place.bank or "loans", place.source, place.mapping)
    spec = source_spec(institution, schema.name, place.max_rejected_share, KnownAt.BOOKING)
    try:
        return read_every_loan(spec, schema, fields, window_months=window_months, as_of=as_of)
    except RejectedRowsError as error:
        listed = home / FOLDER / REJECTED
        write_text(listed, error.rejected.to_csv(index=False))
        raise DataError(f"{error} They are listed in {listed}.") from None


def read_applications(home: Path, scorer: Scorer, since: str, until: str) -> Applications:
    """Read all applications of a home's decision log, as they came in.

    Parameters
    ----------
    home : Path
        Whose log.
    scorer : Scorer
        The model that scores them, whichever decided.
    since, until : str
        Days, ``YYYY-MM-DD``: from the first, up to the last, in UTC.

    Raises
    ------
    FedCreditError
        If the log cannot be read.
    """
    frames: list[pd.DataFrame] = []
    days: list[np.ndarray] = []
    end = str(np.datetime64(until, "D") + np.timedelta64(1, "D"))
    with DecisionLog.open(load_serve(home).decision_log) as log:
        for piece in log.read(since, end):
            raw = pd.DataFrame([dict(decision.inputs) for decision in piece])
            for name in scorer.inputs:
                if name not in raw.columns:  # an application need not name what it does not know
                    raw[name] = None
            accepted = scorer.validated(raw).frame
            told = np.array([decision.time[:10] for decision in piece], "datetime64[D]")
            frames.append(accepted)
            days.append(told[accepted.index.to_numpy(np.int64)])
    names = [feature.name for feature in scorer.model.artefact.model.features]
    if not frames:
        return Applications(pd.DataFrame(columns=names), np.empty(0, "datetime64[D]"))
    return Applications(pd.concat(frames, ignore_index=True), np.concatenate(days))


def _like(schema: Schema, scorer: Scorer) -> Schema:
    """Refuse a schema without the model's features."""
    lacking = [
        feature.name
        for feature in scorer.model.artefact.model.features
        if feature.name not in schema.fields
    ]
    if lacking:
        raise ConfigurationError(
            f"--schema names a schema without {', '.join(lacking)}, which the model looks at."
        )
    return schema
