"""Files broken at random: one sentence, or a data set that accounts for every row.

The file is an excerpt of the SBA sample, or, where that is absent, made-up loans in its layout.
"""

from __future__ import annotations

import csv
import functools
import gzip
import io
import itertools
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fed_credit.data.load
from fed_credit.config.load import compose
from fed_credit.config.location import schema_dir
from fed_credit.config.spec import SourceKind
from fed_credit.data.load import load_dataset
from fed_credit.data.schema import load_schema
from fed_credit.errors import FedCreditError

ROWS = 300
SAMPLE = Path(
    os.environ.get("FED_CREDIT_SBA_PATH")
    or Path(__file__).parents[2] / "shared/data/sba/sba_7a_national_sample.csv.gz"
)
JUNK = (
    *("", " ", "inf", "-Infinity", "NaN", "1e999", "-1e308", "0x10", "1_000", "--", "$", "$-", "%"),
    *("NULL", "中文", "١٢", "½", "\N{GRINNING FACE}", "\ufeff", "\u00a0", "\u2028", "'", '"', '""'),
    *("=1+1", "x" * 5000, "99/99/99", "31-Feb-99", "2/29/1900", "0000-00-00", "10000-01-01"),
    *("1" * 400, "1,2", "a;b|c\td", "true", "P I F", "CHGOFF", "-0", ".", "+", "\\", "\r"),
)
Rows = list[list[str]]


@pytest.fixture(scope="module")
def excerpt() -> bytes:
    if SAMPLE.is_file():
        frame = pd.read_csv(SAMPLE, dtype="str", keep_default_na=False, nrows=4000)
        banks = frame["Bank"].value_counts().index[:4]
        frame = frame[frame["Bank"].isin(banks)].head(ROWS)
    else:
        frame = made_up()
    return frame.to_csv(index=False).encode()


@pytest.fixture
def quick_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the schema once: half the time of a load is its YAML."""
    monkeypatch.setattr(fed_credit.data.load, "load_schema", functools.cache(load_schema))


def made_up() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    bad = rng.random(ROWS) < 0.3
    amounts = rng.integers(5, 500, ROWS) * 1000
    return pd.DataFrame(
        {
            "LoanNr_ChkDgt": rng.permutation(10**9 + np.arange(ROWS)).astype(str),
            "Name": [f"FIRM {k}, INC" for k in range(ROWS)],
            "City": rng.choice(["RENO", "ELKO"], ROWS),
            "State": rng.choice(["NV", "CA", "NY"], ROWS),
            "Zip": "89501",
            "Bank": rng.choice(["FIRST BANK", "SECOND BANK", "THIRD BANK"], ROWS),
            "BankState": rng.choice(["NV", "CA"], ROWS),
            "NAICS": rng.choice(["451120", "722410", "0"], ROWS),
            "ApprovalDate": rng.choice(["2/28/1997", "3/1/2005", "6/7/2006"], ROWS),
            "ApprovalFY": "1997",
            "Term": rng.integers(1, 300, ROWS).astype(str),
            "NoEmp": rng.integers(0, 99, ROWS).astype(str),
            "NewExist": rng.choice(["1", "2"], ROWS),
            "CreateJob": "0",
            "RetainedJob": rng.integers(0, 9, ROWS).astype(str),
            "FranchiseCode": rng.choice(["0", "1", "12345"], ROWS),
            "UrbanRural": rng.choice(["0", "1", "2"], ROWS),
            "RevLineCr": rng.choice(["Y", "N", "0"], ROWS),
            "LowDoc": rng.choice(["Y", "N"], ROWS),
            "ChgOffDate": np.where(bad, "8-Oct-09", ""),
            "DisbursementDate": "5/31/1997",
            "DisbursementGross": amounts.astype(str),
            "BalanceGross": "0",
            "MIS_Status": np.where(bad, "CHGOFF", "P I F"),
            "ChgOffPrinGr": np.where(bad, "1000", "0"),
            "GrAppv": amounts.astype(str),
            "SBA_Appv": (amounts // 2).astype(str),
        }
    )


# --- what breaks a table -------------------------------------------------------------------------


def junk_cells(rng: np.random.Generator, rows: Rows) -> None:
    for _ in range(int(rng.integers(1, 60))):
        row = rows[int(rng.integers(len(rows)))]
        if row:
            row[int(rng.integers(len(row)))] = JUNK[int(rng.integers(len(JUNK)))]


def drop_column(rng: np.random.Generator, rows: Rows) -> None:
    place = int(rng.integers(max(1, len(rows[0]))))
    for row in rows:
        del row[place : place + 1]


def double_column(rng: np.random.Generator, rows: Rows) -> None:
    place = int(rng.integers(max(1, len(rows[0]))))
    for row in rows:
        row[place:place] = row[place : place + 1]


def shuffle_columns(rng: np.random.Generator, rows: Rows) -> None:
    order = rng.permutation(len(rows[0]))
    for row in rows:
        if len(row) == len(order):
            row[:] = [row[place] for place in order]


def constant_column(rng: np.random.Generator, rows: Rows) -> None:
    place = int(rng.integers(max(1, len(rows[0]))))
    word = JUNK[int(rng.integers(len(JUNK)))] if rng.random() < 0.5 else None
    for row in rows[1:]:
        if place < len(row):
            row[place] = row[place] if word is None and row is rows[1] else (word or "")


def cut_rows(rng: np.random.Generator, rows: Rows) -> None:
    for _ in range(int(rng.integers(1, 5))):
        row = rows[int(rng.integers(len(rows)))]
        del row[int(rng.integers(len(row) + 1)) :]


def long_rows(rng: np.random.Generator, rows: Rows) -> None:
    rows[int(rng.integers(len(rows)))] += ["extra"] * int(rng.integers(1, 4))


def double_rows(rng: np.random.Generator, rows: Rows) -> None:
    place = int(rng.integers(len(rows)))
    rows[place:place] = [list(row) for row in rows[place : place + int(rng.integers(1, 30))]]


def few_rows(rng: np.random.Generator, rows: Rows) -> None:
    del rows[int(rng.integers(1, 20)) :]


def misspell_header(rng: np.random.Generator, rows: Rows) -> None:
    place = int(rng.integers(max(1, len(rows[0]))))
    if rows[0]:
        rows[0][place] = rows[0][place][::-1] if rng.random() < 0.5 else ""


# --- what breaks bytes ---------------------------------------------------------------------------


def flip(rng: np.random.Generator, content: bytes) -> bytes:
    cells = np.frombuffer(content, dtype=np.uint8).copy()
    if len(cells):
        places = rng.integers(len(cells), size=int(rng.integers(1, 50)))
        cells[places] = rng.integers(0, 256, len(places))
    return cells.tobytes()


def flip_header(rng: np.random.Generator, content: bytes) -> bytes:
    return flip(rng, content[:60]) + content[60:]


def truncate(rng: np.random.Generator, content: bytes) -> bytes:
    return content[: int(rng.integers(len(content) + 1))]


def insert(rng: np.random.Generator, content: bytes) -> bytes:
    pieces = (b'"', b"\x00", b"\n\n", b"\r", b"\xff\xfe", rng.bytes(64), b",,,,", b'""', b"\x1a")
    for _ in range(int(rng.integers(1, 6))):
        place = int(rng.integers(len(content) + 1))
        content = content[:place] + pieces[int(rng.integers(len(pieces)))] + content[place:]
    return content


def other_delimiter(rng: np.random.Generator, content: bytes) -> bytes:
    sign = (b";", b"\t", b"|", b":", b" ")[int(rng.integers(5))]
    if rng.random() < 0.5:
        return content.replace(b",", sign)
    lines = content.split(b"\n")
    some = {int(place) for place in rng.integers(len(lines), size=5)}
    return b"\n".join(
        line.replace(b",", sign) if place in some else line for place, line in enumerate(lines)
    )


def other_newlines(rng: np.random.Generator, content: bytes) -> bytes:
    return content.replace(b"\n", (b"\r", b"\r\n", b"\n\r", b"\n\n", b"")[int(rng.integers(5))])


def other_encoding(rng: np.random.Generator, content: bytes) -> bytes:
    text = content.decode("utf-8", "replace").replace(
        "INC", ("é", "有限公司", "ß")[rng.integers(3)]
    )
    codecs = ("utf-16", "utf-16-le", "gb18030", "latin-1", "utf-8-sig", "utf-32", "cp037")
    return text.encode(codecs[int(rng.integers(len(codecs)))], "replace")


def pack(rng: np.random.Generator, content: bytes) -> bytes:
    return gzip.compress(content)


def pack_and_break(rng: np.random.Generator, content: bytes) -> bytes:
    return (flip if rng.random() < 0.5 else truncate)(rng, gzip.compress(content))


ON_ROWS: tuple[Callable[[np.random.Generator, Rows], None], ...] = (
    *(junk_cells, drop_column, double_column, shuffle_columns, constant_column, cut_rows),
    *(long_rows, double_rows, few_rows, misspell_header),
)
ON_BYTES: tuple[Callable[[np.random.Generator, bytes], bytes], ...] = (
    *(flip, flip_header, truncate, insert, other_delimiter, other_newlines, other_encoding),
    *(pack, pack_and_break),
)


def corrupted(seed: int, whole: bytes) -> tuple[bytes, list[str]]:
    """Return the table, broken in one to three ways, and their names."""
    rng = np.random.default_rng([seed, 99])
    names = []
    rows = list(csv.reader(io.StringIO(whole.decode("utf-8"), newline="")))
    if rng.random() < 0.6:
        for _ in range(int(rng.integers(1, 3))):
            change = ON_ROWS[int(rng.integers(len(ON_ROWS)))]
            change(rng, rows)
            names.append(change.__name__)
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    content = buffer.getvalue().encode("utf-8")
    if not names or rng.random() < 0.5:
        spoil = ON_BYTES[int(rng.integers(len(ON_BYTES)))]
        content = spoil(rng, content)
        names.append(spoil.__name__)
    return content, names


def broken_parquet(seed: int, whole: bytes) -> bytes:
    """Return the table as a Parquet file with a few of its bytes changed, or cut off."""
    rng = np.random.default_rng([seed, 98])
    buffer = io.BytesIO()
    pd.read_csv(io.BytesIO(whole), dtype="str").to_parquet(buffer)
    return (flip if rng.random() < 0.7 else truncate)(rng, buffer.getvalue())


def run_all(seeds: range, whole: bytes, folder: Path) -> Counter[str]:
    sba = compose(["data=sba", "data.path=x", "data.min_loans=2", "data.max_rejected_share=1"]).data
    # The general reader over the same file, whose dates are American, but for one column.
    dates = {"ApprovalDate": "%m/%d/%Y", "DisbursementDate": "%m/%d/%Y", "ChgOffDate": "%d-%b-%y"}
    table = replace(sba, source=SourceKind.TABLE, mapping=replace(sba.mapping, dates=dates))
    found: Counter[str] = Counter()
    path = folder / "loans"
    for seed, (kind, spec) in zip(
        seeds, itertools.cycle([("sba", sba), ("csv", table), ("csv", table)]), strict=False
    ):
        content, names = corrupted(seed, whole)
        if seed % 30 == 1:
            kind, content, names = "parquet", broken_parquet(seed, whole), ["parquet"]
        path.write_bytes(content)
        where = f"seed {seed}, {kind}, {names}"
        try:
            dataset = load_dataset(
                replace(spec, path=str(path)),
                num_institutions=None,
                schema_dir=schema_dir(),
                seed=7,
            )
        except FedCreditError as error:
            sentence = str(error)
            assert "\n" not in sentence and "Traceback" not in sentence, f"{where}: {sentence!r}"
            assert sentence.rstrip().endswith((".", "?")), f"{where}: {sentence!r}"
            assert len(sentence) < 1500, f"{where}: {sentence!r}"
            found[f"{kind} refused"] += 1
            continue
        except BaseException as error:
            raise AssertionError(f"{where}: {error!r}") from error
        report = dataset.report
        counted = (
            report.rejected
            + report.unlabelled
            + report.immature
            + report.out_of_scope
            + report.left_out
            + report.used
        )
        assert counted == report.rows, where
        assert report.used == len(dataset), where
        assert report.rejected == dataset.rejected["row"].nunique(), where
        assert report.rows > 0, where
        found[f"{kind} read"] += 1
        found["rows rejected"] += report.rejected
    return found


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_some_corruptions(excerpt: bytes, tmp_path: Path, quick_schema: None) -> None:
    found = run_all(range(300), excerpt, tmp_path)
    # Neither answer may be the only one.
    for kind in ("sba", "csv"):
        assert found[f"{kind} refused"] > 20
        assert found[f"{kind} read"] > 20
    assert found["rows rejected"] > 100


@pytest.mark.slow
def test_ten_thousand_corruptions(excerpt: bytes, tmp_path: Path, quick_schema: None) -> None:
    found = run_all(range(300, 10_300), excerpt, tmp_path)
    print(dict(found))
    assert sum(count for name, count in found.items() if name != "rows rejected") == 10_000
