"""Propose a schema for a table: two passes over its chunks, a sample first, then counts of it all.

The proposal errs on the side of a run that can be trusted: what seems to know the outcome is set
aside as ``known_at: outcome`` until a person says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from fed_credit.data.convert import as_text, convert
from fed_credit.data.schema import Field, Kind, KnownAt, Missing, Outside, Roles, Schema
from fed_credit.errors import ConfigurationError, DataError, suggestion
from fed_credit.onboarding.details import add_details
from fed_credit.onboarding.kinds import Guess, guess, unit_from
from fed_credit.onboarding.leakage import evidence
from fed_credit.onboarding.spellings import humanised, is_chinese, named_for, outcomes
from fed_credit.onboarding.tally import Tally, halves

Chunks = Callable[[], Iterator[pd.DataFrame]]

SAMPLE_ROWS = 20_000
_ASKED = 8  # values of a target shown when it has to be asked for


@dataclass(frozen=True)
class Given:
    """What the user said of the table.

    Parameters
    ----------
    target, institution : str
        Columns of the final status and of the lender.
    loan_id, firm_id, decision_date, event_date, exposure : str or None
        Columns of the other roles; found by name where not given.
    good, bad : tuple of str
        Spellings of the target; guessed where not given.
    """

    target: str
    institution: str
    loan_id: str | None = None
    firm_id: str | None = None
    decision_date: str | None = None
    event_date: str | None = None
    exposure: str | None = None
    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()


@dataclass
class Proposed:
    """A field as proposed.

    Parameters
    ----------
    field : Field
        The field.
    notes : list of str
        Comments: what was seen and why.
    leaks : list of str
        Evidence that it knows the outcome.
    missing_share : float
        Share of the rows without a value.
    """

    field: Field
    notes: list[str]
    leaks: list[str]
    missing_share: float


@dataclass
class Proposal:
    """A proposed schema and what a person must look at.

    Parameters
    ----------
    fields : list of Proposed
        In the order of the table.
    roles : Roles
        Which columns play which part.
    rows, goods, bads : int
        Rows read and labelled loans.
    institutions : dict of str to int
        Labelled loans by institution, the largest first.
    confirm : list of str
        What a person must confirm.
    sample : pandas.DataFrame
        The sample, as read.
    """

    fields: list[Proposed]
    roles: Roles
    rows: int
    goods: int
    bads: int
    institutions: dict[str, int]
    confirm: list[str]
    sample: pd.DataFrame = field(repr=False)

    def schema(self, name: str) -> Schema:
        """Return the proposal as a schema."""
        return Schema(name, {item.field.name: item.field for item in self.fields}, self.roles)


def infer(chunks: Chunks, given: Given) -> Proposal:
    """Propose a schema.

    Parameters
    ----------
    chunks : callable
        Returns an iterator over the table's chunks, raw, in order; called twice.
    given : Given
        What the user said.

    Returns
    -------
    Proposal

    Raises
    ------
    ConfigurationError
        If a column that was named does not exist, or is named twice.
    DataError
        If the target cannot be told good from bad, or has one outcome only.
    """
    sample, statuses, rows = _first_pass(chunks, given)
    good, bad, confirm = _target(given, statuses)
    roles, guesses = _roles(given, sample)
    tallies = {
        name: Tally(found.field)
        for name, found in guesses.items()
        if name not in (given.target, given.institution)
    }
    goods, bads, institutions, repeated, nameless = _second_pass(
        chunks, roles, guesses, tallies, good, bad
    )
    if nameless:
        confirm.append(f"{nameless:,} rows name no institution and are rejected; totals?")
    if roles.loan_id is not None and repeated > 0.01 * rows and given.loan_id is None:
        confirm.append(
            f"'{roles.loan_id}' repeats in {repeated:,} rows and so is not taken for the loan's"
            " identifier."
        )
        roles = replace(roles, loan_id=None)
    proposed = []
    for name, found in guesses.items():
        if name == given.target:
            item = Field(name, Kind.TARGET, KnownAt.OUTCOME, good=good, bad=bad)
            item = replace(item, outside=Outside.MISSING)
            made = Proposed(_labelled(item), _target_notes(statuses, good, bad), [], 0.0)
        elif name == given.institution:
            item = Field(name, Kind.INSTITUTION, missing=Missing.REJECT)
            note = f"{len(institutions)} institutions"
            made = Proposed(_labelled(item), [note], [], 0.0)
        else:
            tally = tallies[name]
            leaks = [] if name == roles.true_pd else evidence(tally)
            confirm += found.confirm
            made = Proposed(_labelled(found.field), found.notes, leaks, tally.missing_share)
            confirm += add_details(made, tally, roles)
        proposed.append(made)
    if roles.firm_id is None:
        confirm.append(
            "No column names the firm: loans of one firm may fall on both sides of the split; name"
            " it with --firm-id if there is one."
        )
    if not (goods and bads):
        raise DataError(
            f"All {goods + bads:,} loans with an outcome and an institution are"
            f" {'good' if goods else 'bad'}: there is nothing to learn."
        )
    return Proposal(proposed, roles, rows, goods, bads, institutions, confirm, sample)


def _first_pass(chunks: Chunks, given: Given) -> tuple[pd.DataFrame, pd.Series, int]:
    """Return an even sample of the rows, the target's values with their counts, and the rows."""
    kept: list[pd.DataFrame] = []
    statuses = pd.Series(dtype="int64")
    rows, step = 0, 1
    for chunk in chunks():
        if rows == 0:
            _check_columns(given, [str(name) for name in chunk.columns])
        chunk = chunk.set_axis(range(rows, rows + len(chunk)), axis=0)
        # Steps are powers of two, so that a coarser sample is part of a finer one.
        kept.append(chunk.iloc[(-rows) % step :: step])
        counts = as_text(chunk[given.target]).value_counts()
        statuses = statuses.add(counts, fill_value=0).astype("int64")
        if len(statuses) > 1000:
            raise DataError(
                f"Column '{given.target}' has more than 1,000 different values, so it is no final"
                " status; name another with --target."
            )
        rows += len(chunk)
        while sum(map(len, kept)) > SAMPLE_ROWS:
            step *= 2
            merged = pd.concat(kept)
            kept = [merged.loc[merged.index % step == 0]]
    if not rows:
        raise DataError("The table has no rows.")
    return pd.concat(kept), statuses.sort_values(ascending=False, kind="stable"), rows


def _check_columns(given: Given, columns: list[str]) -> None:
    seen: dict[str, str] = {}
    for option, name in vars(given).items():
        if option in ("good", "bad") or name is None:
            continue
        flag = "--" + option.replace("_", "-")
        if name not in columns:
            raise ConfigurationError(
                f"{flag}={name}: the table has no such column; it has {_listed(columns)}."
                f"{suggestion(name, columns)}"
            )
        if name in seen:
            raise ConfigurationError(
                f"{flag}={name} is already named by {seen[name]}; a column plays one part."
            )
        seen[name] = flag


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _target(
    given: Given, statuses: pd.Series
) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """Return the spellings of good and bad, or ask."""
    values = [str(value) for value in statuses.index]
    for flag, named in (("--good", given.good), ("--bad", given.bad)):
        for value in named:
            if value not in values:
                raise ConfigurationError(
                    f"{flag} '{value}': column '{given.target}' has no such value; it has"
                    f" {_counted(statuses)}."
                )
    if both := set(given.good) & set(given.bad):
        raise ConfigurationError(f"'{sorted(both)[0]}' cannot be both --good and --bad.")
    good, bad = given.good, given.bad
    if good and not bad:
        bad = tuple(value for value in values if value not in good)
    elif bad and not good:
        good = tuple(value for value in values if value not in bad)
    elif not good:
        good, bad = outcomes(given.target, values)
    if len(values) == 1 and (good or bad):
        raise DataError(
            f"Column '{given.target}' has one value only, {_counted(statuses)}: there is nothing"
            " to learn."
        )
    if not (good and bad):
        raise DataError(
            f"Column '{given.target}' has {_counted(statuses)}: say which mean repaid and which"
            " default with --good VALUE ... and --bad VALUE ..."
        )
    confirm = []
    if not (given.good or given.bad):
        confirm.append(f"'{given.target}': bad is {_listed(bad)}; good is {_listed(good)}.")
    others = statuses.drop([*good, *bad])
    if len(others):
        confirm.append(
            f"'{given.target}': rows with {_counted(others)} count as having no outcome yet."
        )
    return good, bad, confirm


def _counted(statuses: pd.Series) -> str:
    shown = [f"'{str(value)[:40]}' ({count:,})" for value, count in statuses.head(_ASKED).items()]
    return ", ".join(shown) + (", ..." if len(statuses) > _ASKED else "") or "no value"


def _target_notes(statuses: pd.Series, good: tuple[str, ...], bad: tuple[str, ...]) -> list[str]:
    others = statuses.drop([*good, *bad])
    return [f"no outcome, so left out: {_counted(others)}"] if len(others) else []


def _roles(given: Given, sample: pd.DataFrame) -> tuple[Roles, dict[str, Guess]]:
    """Guess every column's kind, and find the roles that were not given."""
    names = [str(name) for name in sample.columns]
    guesses = {name: guess(name, sample[name]) for name in names}
    taken = {name for key, name in vars(given).items() if key not in ("good", "bad") and name}
    found: dict[str, str | None] = {"target": given.target, "institution": given.institution}
    kinds = {"decision_date": Kind.DATE, "event_date": Kind.DATE}
    kinds |= {"exposure": Kind.NUMERIC, "true_pd": Kind.NUMERIC}
    for role in ("loan_id", "firm_id", "decision_date", "event_date", "exposure", "true_pd"):
        asked = getattr(given, role, None)
        if asked is None:
            fits = [
                name
                for name in named_for(role, names)
                if name not in taken and (role not in kinds or _fits(guesses[name], kinds[role]))
            ]
            asked = fits[0] if fits else None
        elif role in kinds and not _fits(guesses[asked], kinds[role]):
            flag = "--" + role.replace("_", "-")
            what = "dates" if kinds[role] is Kind.DATE else "numbers"
            raise DataError(f"{flag}={asked}: the column does not hold {what}; name another.")
        found[role] = asked
        if asked is not None:
            taken.add(asked)
            if role in ("loan_id", "firm_id"):
                field = Field(asked, Kind.IDENTIFIER, feature=False, sensitive=role == "firm_id")
                guesses[asked] = Guess(field)
    for name, made in guesses.items():
        if made.field.kind is Kind.NUMERIC:
            made.field = replace(made.field, unit=unit_from(name, made.field))
    return Roles(**found), guesses


def _fits(made: Guess, kind: Kind) -> bool:
    return made.field.kind is kind


def _second_pass(
    chunks: Chunks,
    roles: Roles,
    guesses: dict[str, Guess],
    tallies: dict[str, Tally],
    good: tuple[str, ...],
    bad: tuple[str, ...],
) -> tuple[int, int, dict[str, int], int, int]:
    """Count the whole table but for rows of no institution, which a run rejects.

    Returns goods, bads, loans by institution, repeated loans and rows of no institution.
    """
    by_bank = pd.Series(dtype="int64")
    keys: list[np.ndarray] = []
    outcome = np.zeros(2, dtype=np.int64)
    rows = nameless = 0
    for chunk in chunks():
        bank = as_text(chunk[str(roles.institution)])
        half = halves(np.arange(rows, rows + len(chunk)))
        rows += len(chunk)
        owned = bank.notna()
        if not owned.all():
            nameless += int((~owned).sum())
            chunk, bank, half = chunk[owned], bank[owned], half[owned.to_numpy(dtype=bool)]
        status = as_text(chunk[str(roles.target)])
        y = np.where(status.isin(bad), 1, np.where(status.isin(good), 0, -1)).astype(np.int8)
        outcome += np.bincount(y[y >= 0], minlength=2)
        by_bank = by_bank.add(bank[y >= 0].value_counts(), fill_value=0).astype("int64")
        decided = None
        if roles.decision_date is not None:
            made = guesses[roles.decision_date].field
            decided = convert(chunk[made.name], made).values.to_numpy().astype("datetime64[D]")
        if roles.loan_id is not None:
            loan = as_text(chunk[roles.loan_id])
            both = (bank + "\x1f" + loan)[loan.notna()]
            keys.append(pd.util.hash_array(both.to_numpy(dtype=object)))
        for name, tally in tallies.items():
            elsewhere = None if name == roles.decision_date else decided
            tally.add(convert(chunk[name], tally.field), y, half, elsewhere)
    repeated = 0
    if keys:
        every = np.concatenate(keys)
        repeated = len(every) - len(np.unique(every))
    ordered = by_bank.sort_values(ascending=False, kind="stable")
    institutions = {str(name): int(count) for name, count in ordered.items()}
    return int(outcome[0]), int(outcome[1]), institutions, repeated, nameless


def _labelled(item: Field) -> Field:
    label = {"en": humanised(item.name)}
    if is_chinese(item.name):
        label["zh"] = item.name
    return replace(item, label=label)
