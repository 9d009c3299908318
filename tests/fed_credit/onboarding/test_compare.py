from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fed_credit.data.schema import Field, Kind, Missing, Outside, Roles, Schema
from fed_credit.onboarding.compare import Finding, compare, outliers
from fed_credit.onboarding.counts import NOBODY, BankCounts, add_counts

SCHEMA = Schema(
    "s",
    {
        item.name: item
        for item in (
            Field("bank", Kind.INSTITUTION, missing=Missing.REJECT),
            Field("status", Kind.TARGET, good=("0",), bad=("1",), outside=Outside.MISSING),
            Field("amount", Kind.NUMERIC, min=0, max=1e9),
            Field("sector", Kind.CATEGORICAL, values=("trade", "farming"), outside=Outside.MISSING),
            Field("decided", Kind.DATE, date_formats=("%Y%m%d",)),
            Field("guaranteed", Kind.BOOLEAN, true_values=("Y",), false_values=("N",)),
        )
    },
    Roles(institution="bank", target="status"),
)
N = 900


def loans(seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    days = np.datetime64("2019-01-01") + rng.integers(0, 1000, N)
    return pd.DataFrame(
        {
            "bank": np.repeat(["A", "B", "C"], N // 3),
            "status": rng.choice(["0", "1"], N, p=[0.8, 0.2]),
            "amount": [f"{value:.2f}" for value in rng.lognormal(12, 1, N)],
            "sector": rng.choice(["trade", "farming"], N),
            "decided": [str(day).replace("-", "") for day in days],
            "guaranteed": rng.choice(["Y", "N"], N),
        }
    ).astype("str")


def counted(frame: pd.DataFrame, chunk: int = N, owner: str | None = None) -> dict[str, BankCounts]:
    banks: dict[str, BankCounts] = {}
    for start in range(0, len(frame), chunk):
        add_counts(banks, frame.iloc[start : start + chunk], SCHEMA, owner)
    return banks


def found(frame: pd.DataFrame) -> list[tuple[str, str, str]]:
    return [(each.bank, each.field, each.what) for each in compare(counted(frame), SCHEMA)]


def test_banks_alike_have_no_findings() -> None:
    assert found(loans()) == []


def test_counts_do_not_depend_on_chunks_and_add_up_over_files() -> None:
    frame = loans()
    whole = counted(frame)
    assert counted(frame, chunk=37) == whole
    apart: dict[str, BankCounts] = {}
    for name, part in frame.groupby("bank"):
        add_counts(apart, part.drop(columns="bank"), SCHEMA, str(name))
    assert apart == whole
    assert sum(whole["A"].fields["amount"].bins.values()) == N // 3


@pytest.mark.parametrize(
    ("column", "change", "what", "words"),
    [
        ("amount", lambda v: f"{float(v) / 10_000:.6f}", "units", "10,000 times smaller"),
        ("amount", lambda v: f"{float(v) * 1000:.0f}", "units", "1,000 times larger"),
        ("amount", lambda v: "see annex", "types", "300 of 300 values (100.0%) are not numbers"),
        ("amount", lambda v: "-5", "bounds", "outside 0 to 1e+09"),
        ("amount", lambda v: None, "missing", "100% are missing, at the others 0%"),
        ("sector", lambda v: "贸易", "categories", "贸易"),
        ("decided", lambda v: "20310630", "dates", "typically 2031-06"),
        ("decided", lambda v: v[4:] + v[:4], "types", "are not dates"),
        ("guaranteed", lambda v: "maybe", "types", "kind boolean"),
        ("status", lambda v: "0", "outcome", "all loans are good"),
        ("status", lambda v: "open", "outcome", "no loan has an outcome"),
    ],
)
def test_who_deviates_in_what(column: str, change: object, what: str, words: str) -> None:
    frame = loans()
    mine = frame["bank"] == "B"
    frame.loc[mine, column] = frame.loc[mine, column].map(change)
    findings = compare(counted(frame), SCHEMA)
    hit = [each for each in findings if each.what == what]
    assert [(each.bank, each.field) for each in hit] == [("B", column)]
    assert words in hit[0].text
    assert {each.bank for each in findings} == {"B"}


def test_a_missing_column_is_found_and_a_bank_of_its_own_is_not_compared() -> None:
    frame = loans()
    banks: dict[str, BankCounts] = {}
    add_counts(banks, frame[frame["bank"] == "A"], SCHEMA, None)
    add_counts(banks, frame[frame["bank"] == "B"].drop(columns="amount"), SCHEMA, None)
    assert compare(banks, SCHEMA) == [Finding("B", "amount", "column", "has no such column")]
    assert compare(counted(frame[frame["bank"] == "A"]), SCHEMA) == []


def test_rows_of_no_bank_are_no_bank() -> None:
    frame = loans()
    frame.loc[:5, ["bank", "amount"]] = [None, "x"]
    assert found(frame) == []  # 6 of 900 rows
    frame.loc[:99, "bank"] = None
    assert found(frame) == [(NOBODY, "bank", "institution")]


def test_values_of_few_rows_or_of_sensitive_fields_are_not_named() -> None:
    frame = loans()
    frame.loc[:29, "sector"] = ["common"] * 21 + ["rare"] * 9
    (finding,) = compare(counted(frame), SCHEMA)
    assert "common" in finding.text and "rare" not in finding.text
    hidden = replace(SCHEMA.fields["sector"], sensitive=True)
    schema = replace(SCHEMA, fields={**SCHEMA.fields, "sector": hidden})
    assert "common" not in compare(counted(frame), schema)[0].text


def test_a_factor_of_the_mapping_is_applied() -> None:
    frame = loans()
    banks: dict[str, BankCounts] = {}
    for name, part in frame.groupby("bank"):
        factor = {"amount": 1.0}
        if name == "C":
            part = part.assign(amount=[f"{float(v) / 10_000:.8f}" for v in part["amount"]])
            factor = {"amount": 10_000.0}
        add_counts(banks, part, SCHEMA, None, factor)
    assert compare(banks, SCHEMA) == []


def test_one_stray_does_not_make_strays_of_the_rest() -> None:
    assert outliers({"A": 5.0, "B": 1.0, "C": 5.2}, 0.9) == {"B": (1.0, 5.1)}
    assert outliers({"A": 5.0, "B": 1.0, "C": 5.2, "D": 9.0, "E": 4.9}, 0.9).keys() == {"B", "D"}
    assert outliers({"A": 1.0, "B": 5.0}, 0.9).keys() == {"A", "B"}
    assert outliers({"A": 1.0, "B": 1.5}, 0.9) == outliers({"A": 1.0}, 0.9) == {}
