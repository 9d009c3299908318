"""A scorecard as SQL, for systems that know nothing else.

Columns are named like the features: numbers for numeric ones, 0 and 1 for boolean ones, text for
categorical ones, ``NULL`` where a value is missing. A categorical feature whose values are not
listed is read from a column ``<name>_bucket``, the CRC-32 of its UTF-8 text modulo the number of
buckets, since SQL has no function for that.
"""

from __future__ import annotations

from fed_credit.data.schema import Kind
from fed_credit.scorecard.formats import number
from fed_credit.scorecard.points import Characteristic, Scorecard


def sql_points(characteristic: Characteristic) -> str:
    """Return the expression that gives a loan its points of one feature.

    Parameters
    ----------
    characteristic : Characteristic
        The feature.

    Returns
    -------
    str
        A ``CASE``.
    """
    fine = characteristic.binning.fine
    points = [characteristic.points[k] for k in characteristic.binning.class_of.tolist()]
    feature = fine.feature
    column = _name(feature.name)
    whens: list[tuple[str, int]] = []
    if feature.kind is Kind.NUMERIC:
        for k, special in enumerate(fine.specials):
            whens.append((f"{column} = {number(special)}", points[fine.num_values + k]))
        for k, cut in enumerate(fine.cuts):
            if points[k] != points[k + 1]:
                whens.append((f"{column} < {number(cut)}", points[k]))
        otherwise = points[len(fine.cuts)]
    elif feature.kind is Kind.BOOLEAN:
        whens.append((f"{column} = 1", points[1]))
        otherwise = points[0]
    else:
        if not feature.values:
            column = _name(f"{feature.name}_bucket")
        otherwise = points[feature.num_categories]
        for given in sorted(set(points[: feature.num_categories]) - {otherwise}):
            codes = [k for k in range(feature.num_categories) if points[k] == given]
            listed = ", ".join(
                _text(feature.values[k]) if feature.values else str(k) for k in codes
            )
            whens.append((f"{column} IN ({listed})", given))
    lines = [f"    WHEN {when} THEN {given}" for when, given in whens]
    missing = f"    WHEN {column} IS NULL THEN {points[fine.missing]}"
    return "\n".join(["CASE", missing, *lines, f"    ELSE {otherwise}", "  END"])


def sql_query(card: Scorecard, table: str) -> str:
    """Return a query for the score of every row of a table, and the points behind it.

    Parameters
    ----------
    card : Scorecard
        The card.
    table : str
        Name of the table.

    Returns
    -------
    str
        One row per loan, in no order: all of the table's columns, ``points_<feature>`` for each
        feature, and ``score``.
    """
    columns = [f"points_{name}" for name in card.names]
    inner = ",\n".join(
        f"  {sql_points(one)} AS {_name(column)}"
        for one, column in zip(card.characteristics, columns, strict=True)
    )
    total = " + ".join([str(card.base_points), *(_name(column) for column in columns)])
    return (
        f"SELECT scored.*, {total} AS score\n"
        f"FROM (\nSELECT loans.*,\n{inner}\nFROM {_name(table)} AS loans\n) AS scored;\n"
    )


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
