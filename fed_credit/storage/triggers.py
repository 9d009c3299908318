"""Triggers that keep a table append-only, whoever writes to it: SQLite and PostgreSQL.

They stop mistakes and programs, not the owner of the database, who can drop them; what that owner
changes shows in the hash chain.
"""

from __future__ import annotations

from fed_credit.storage.layout import POSTGRESQL, SQLITE

ALREADY = "holds it already"
"""What a trigger says of a row that is there."""


def append_only(
    table: str, *, unique: str | None = None, deletable: str | None = None
) -> dict[str, tuple[str, ...]]:
    """Return the statements, by dialect, that keep a table append-only.

    Parameters
    ----------
    table : str
        With a column ``number`` that goes up.
    unique : str or None
        A condition for a row that is the same as ``NEW``, where a unique index says so: SQLite's
        ``INSERT OR REPLACE`` would delete it without asking the triggers.
    deletable : str or None
        A query for one number: rows up to it may be deleted. None: no row may.

    Returns
    -------
    dict of str to tuple of str
    """
    return {
        SQLITE: _sqlite(table, unique, deletable),
        POSTGRESQL: _postgresql(table, deletable),
    }


def _sqlite(table: str, unique: str | None, deletable: str | None) -> tuple[str, ...]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    kept = "" if deletable is None else f" WHEN OLD.number > coalesce(({deletable}), 0)"
    there = f"NEW.number <= (SELECT max(number) FROM {table})"
    name = f"CREATE TRIGGER IF NOT EXISTS {table}"
    made = (
        f"{name}_update BEFORE UPDATE ON {table} {refuse}",
        f"{name}_delete BEFORE DELETE ON {table}{kept} {refuse}",
        f"{name}_insert BEFORE INSERT ON {table} WHEN {there} {refuse}",
    )
    if unique is None:
        return made
    same = f"EXISTS (SELECT 1 FROM {table} WHERE {unique})"
    again = f"BEGIN SELECT RAISE(ABORT, '{table} {ALREADY}'); END"
    return *made, f"{name}_again BEFORE INSERT ON {table} WHEN {same} {again}"


def _postgresql(table: str, deletable: str | None) -> tuple[str, ...]:
    refuse = f"RAISE EXCEPTION '{table} is append-only'"
    kept = "" if deletable is None else (
        f"IF TG_OP = 'DELETE' THEN IF OLD.number <= coalesce(({deletable}), 0)"
        " THEN RETURN OLD; END IF; END IF; "
    )  # fmt: skip
    return (
        f"CREATE OR REPLACE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {kept}{refuse}; END $$",
        f"CREATE OR REPLACE TRIGGER {table}_change BEFORE UPDATE OR DELETE ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION {table}_refuse()",
        f"CREATE OR REPLACE TRIGGER {table}_truncate BEFORE TRUNCATE ON {table}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()",
    )
