from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import math
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fed_credit.data import sba
from fed_credit.data.recipe import Recipe
from fed_credit.data.schema import Field, Kind, KnownAt, Schema, load_schema
from fed_credit.data.validate import validate
from fed_credit.errors import DataError, SchemaError

ROOT = Path(__file__).parents[3]
SAMPLE = Path(
    os.environ.get("FED_CREDIT_SBA_PATH")
    or ROOT.parent / "shared" / "data" / "sba" / "sba_7a_national_sample.csv.gz"
)
needs_sample = pytest.mark.skipif(
    not SAMPLE.is_file(), reason=f"no SBA sample at {SAMPLE}; set FED_CREDIT_SBA_PATH"
)


def cells(text: str) -> list[str]:
    return text.split(",")


HEADER = cells(
    "LoanNr_ChkDgt,Name,City,State,Zip,Bank,BankState,NAICS,ApprovalDate,ApprovalFY,Term,NoEmp,"
    "NewExist,CreateJob,RetainedJob,FranchiseCode,UrbanRural,RevLineCr,LowDoc,ChgOffDate,"
    "DisbursementDate,DisbursementGross,MIS_Status,ChgOffPrinGr,GrAppv,SBA_Appv"
)
REPAID = cells(
    "1000014003,ABC HOBBYCRAFT,EVANSVILLE,IN,47711,FIFTH THIRD BANK,OH,451120,2/28/1997,1997,84,4,"
    "2,0,0,1,0,N,Y,,2/28/1999,60000,P I F,0,60000,48000"
)
CHARGED_OFF = cells(
    "1004285007,SIMPLEX,NASHUA,NH,3063,CITIZENS BANK,NH,236118,1/21/2005,2005,53,0,1,3,1,78760,2,"
    "T,N,30-Jan-10,2/28/2005,1250.5,CHGOFF,900,1250000,625000"
)
UNKNOWN = cells(
    "1004295010,,SAN JUAN,PR,901,,,0,7/4/1966,1966,12,9,0,0,2,0,1,0,C,,,0,,0,$500.00,250"
)
AMOUNTS = ("DisbursementGross", "ChgOffPrinGr", "GrAppv", "SBA_Appv")
DATES = ("ApprovalDate", "ChgOffDate", "DisbursementDate")


ENGINEERED = {
    "sector": ["NAICS"],
    "log_employees": ["NoEmp"],
    "franchise": ["FranchiseCode"],
    "log_jobs_created": ["CreateJob"],
    "log_jobs_retained": ["RetainedJob"],
    "jobs_reported": ["CreateJob", "RetainedJob"],
    "log_amount": ["GrAppv"],
    "amount_band": ["GrAppv"],
    "guarantee_share": ["SBA_Appv", "GrAppv"],
    "same_state_lender": ["State", "BankState"],
}


def derive(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    made = Recipe.of(schema, list(ENGINEERED)).compute(frame)
    return frame.assign(**{name: made[name] for name in made})


@pytest.fixture(scope="module")
def schema() -> Schema:
    return load_schema(ROOT / "conf" / "schemas" / "sba.yaml")


def write(path: Path, rows: list[list[str]], header: list[str] = HEADER) -> Path:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def plain(rows: list[list[str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=HEADER)


def public_spelling(rows: list[list[str]]) -> list[list[str]]:
    """Spell amounts and dates as the public file does."""

    def amount(text: str) -> str:
        return f"${float(text.strip('$')):,.2f} "

    def date(text: str) -> str:
        if "/" not in text:
            return text
        month, day, year = map(int, text.split("/"))
        return f"{day}-{dt.date(year, month, day):%b-%y}"

    table = plain(rows)
    for name in AMOUNTS:
        table[name] = table[name].map(amount)
    for name in DATES:
        table[name] = table[name].map(date)
    return table.to_numpy().tolist()


# --- reading -------------------------------------------------------------------------------------


def test_records_have_canonical_columns_text_and_order(tmp_path: Path, schema: Schema) -> None:
    read = sba.read(write(tmp_path / "a.csv", [CHARGED_OFF, REPAID, UNKNOWN]), schema)
    assert list(read.columns) == [f.name for f in schema.fields.values() if not f.formula]
    assert list(read.index) == [0, 1, 2]
    assert all(isinstance(dtype, pd.StringDtype) for dtype in read.dtypes)
    assert read["LoanNr_ChkDgt"].tolist() == ["1004285007", "1000014003", "1004295010"]
    assert read.loc[0, ["ApprovalDate", "ChgOffDate"]].tolist() == ["2005-01-21", "2010-01-30"]
    assert read.loc[0, ["DisbursementGross", "GrAppv"]].tolist() == ["1250.5", "1250000"]
    assert read.loc[2, "GrAppv"] == "500"
    assert read.loc[2, ["Bank", "BankState", "MIS_Status", "ChgOffDate"]].isna().all()
    assert read.loc[2, ["NAICS", "NewExist"]].tolist() == [
        "0",
        "0",
    ]  # codes are the schema's affair


def test_both_spellings_give_the_same_frame(tmp_path: Path, schema: Schema) -> None:
    rows = [REPAID, CHARGED_OFF, UNKNOWN]
    sample = sba.read(write(tmp_path / "sample.csv", rows), schema)
    spelled = public_spelling(rows)
    assert spelled[0][HEADER.index("GrAppv")] == "$60,000.00 "
    assert spelled[0][HEADER.index("ApprovalDate")] == "28-Feb-97"
    public = sba.read(write(tmp_path / "public.csv", spelled), schema)
    pd.testing.assert_frame_equal(
        validate(sample, schema).frame, validate(public, schema).frame, check_exact=True
    )
    pd.testing.assert_frame_equal(sample.drop(columns=[*AMOUNTS]), public.drop(columns=[*AMOUNTS]))


def test_header_variants_order_and_further_columns_do_not_matter(
    tmp_path: Path, schema: Schema
) -> None:
    expected = sba.read(write(tmp_path / "a.csv", [REPAID, CHARGED_OFF]), schema)
    table = plain([REPAID, CHARGED_OFF]).iloc[:, ::-1].assign(BalanceGross="$0.00 ", Unheard="x")
    variants = {"MIS_Status": "mis status", "SBA_Appv": " SBAAppv ", "NoEmp": "NO_EMP"}
    table = table.rename(columns=variants)
    path = write(tmp_path / "b.csv", table.to_numpy().tolist(), list(table.columns))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())  # a byte-order mark
    pd.testing.assert_frame_equal(sba.read(path, schema), expected)


def test_gzip_is_told_by_content_not_by_name(tmp_path: Path, schema: Schema) -> None:
    plain_file = write(tmp_path / "plain.gz", [REPAID])
    packed = tmp_path / "packed.csv"
    packed.write_bytes(gzip.compress(plain_file.read_bytes()))
    pd.testing.assert_frame_equal(sba.read(packed, schema), sba.read(plain_file, schema))


def test_codes_that_went_through_a_data_frame_lose_their_decimal(
    tmp_path: Path, schema: Schema
) -> None:
    table = plain([REPAID]).assign(NewExist="2.0", NAICS="451120.0", UrbanRural="1.0")
    read = sba.read(write(tmp_path / "a.csv", table.to_numpy().tolist()), schema)
    assert read.loc[0, ["NewExist", "NAICS", "UrbanRural"]].tolist() == ["2", "451120", "1"]


@given(day=st.dates(dt.date(1953, 1, 1), dt.date(2052, 12, 31)), whole=st.integers(0, 10**7))
def test_dates_and_amounts_are_read_in_either_spelling(
    tmp_path_factory: pytest.TempPathFactory, schema: Schema, day: dt.date, whole: int
) -> None:
    table = plain([REPAID, REPAID, REPAID])
    table["ApprovalDate"] = [
        f"{day.month}/{day.day}/{day.year}", f"{day.day}-{day:%b-%y}", f"{day:%d-%b-%Y}",
    ]  # fmt: skip
    table["GrAppv"] = [str(whole), f"${whole:,}.00 ", f"{whole}.00"]
    path = write(tmp_path_factory.mktemp("sba") / "a.csv", table.to_numpy().tolist())
    read = sba.read(path, schema)
    assert set(read["ApprovalDate"]) == {day.isoformat()}
    assert set(read["GrAppv"]) == {str(whole)}


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        ("31-Dec-14", "2014-12-31"),
        ("1-Jan-66", "1966-01-01"),
        ("31-Dec-52", "2052-12-31"),
        ("1-Jan-53", "1953-01-01"),
        ("1-JAN-00", "2000-01-01"),
        ("31-Dec-99", "1999-12-31"),
        ("2/29/04", "2004-02-29"),
        ("2/29/1904", "1904-02-29"),
    ],
)
def test_century_pivot(tmp_path: Path, schema: Schema, spelled: str, meant: str) -> None:
    table = plain([REPAID]).assign(ApprovalDate=spelled)
    read = sba.read(write(tmp_path / "a.csv", table.to_numpy().tolist()), schema)
    assert read.loc[0, "ApprovalDate"] == meant


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ApprovalDate", "30-Feb-97"),
        ("ApprovalDate", "13/13/1997"),
        ("ApprovalDate", "28-Fev-97"),
        ("ApprovalDate", "1997"),
        ("GrAppv", "$6,00,0"),
        ("GrAppv", "60k"),
        ("GrAppv", "(500.00)"),
        ("GrAppv", "1e"),
        ("NoEmp", "four"),
    ],
)
def test_what_cannot_be_parsed_stays_and_is_rejected_with_its_reason(
    tmp_path: Path, schema: Schema, field: str, value: str
) -> None:
    broken = plain([REPAID]).assign(**{field: value})
    rows = [CHARGED_OFF, broken.iloc[0].tolist()]
    read = sba.read(write(tmp_path / "a.csv", rows), schema)
    assert read.loc[1, field] == value
    checked = validate(read, schema)
    assert checked.frame.index.tolist() == [0]
    assert checked.rejected[["row", "field"]].to_numpy().tolist() == [[2, field]]


# --- files that cannot be read -------------------------------------------------------------------


def one_sentence(error: pytest.ExceptionInfo[DataError], path: Path) -> str:
    text = str(error.value)
    assert str(path) in text
    assert "\n" not in text and "Traceback" not in text
    assert error.value.__cause__ is None
    return text


def test_a_path_without_a_file(tmp_path: Path, schema: Schema) -> None:
    for path, says in ((tmp_path / "none.csv", "does not exist"), (tmp_path, "is a folder")):
        with pytest.raises(DataError, match=says) as error:
            sba.read(path, schema)
        assert "data.path" in one_sentence(error, path)


GOOD = (",".join(HEADER) + "\n" + ",".join(REPAID) + "\n").encode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n\n", "starts with an empty line"),
        (GOOD.splitlines()[0], "no loans"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (gzip.compress(GOOD * 50, mtime=0)[:-40], "cut short or damaged"),
        (b"\x1f\x8b" + b"\x00" * 40, "cut short or damaged"),
        (GOOD.replace(b"EVANSVILLE", b"EVANSVILL\xc9"), "0xc9"),
        (GOOD.decode().encode("utf-16"), "not UTF-8"),
        (GOOD.replace(b",60000,48000", b",60,000,48000"), "more cells in its first row"),
        (GOOD + b"1," * 40 + b"\n", "Expected 26 fields in line 2, saw 41"),
        (GOOD + b'"' + b"1," * 10 + b"\n", "inside string"),
        (GOOD.replace(b",", b";"), "are commas the separator"),
        (GOOD.replace(b"SBA_Appv", b"SBA_Approved"), "Did you mean 'SBA_Approved'"),
        (GOOD.replace(b"MIS_Status", b"Outcome"), "no column 'MIS_Status'"),
        (GOOD.replace(b"BankState", b"m i s status"), "2 columns 'MIS_Status'"),
    ],
)
def test_broken_content(tmp_path: Path, schema: Schema, content: bytes, says: str) -> None:
    path = tmp_path / "broken.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        sba.read(path, schema)
    assert says in one_sentence(error, path)


def test_a_zip_archive_is_named_as_such(tmp_path: Path, schema: Schema) -> None:
    path = tmp_path / "SBAnational.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("SBAnational.csv", GOOD)
    with pytest.raises(DataError, match="unpack it") as error:
        sba.read(path, schema)
    one_sentence(error, path)


def test_columns_known_only_later_may_be_absent_unless_they_play_a_role(
    tmp_path: Path, schema: Schema
) -> None:
    late = ["Term", "RevLineCr", "BankState", "DisbursementGross", "ChgOffPrinGr"]
    table = plain([REPAID]).drop(columns=late)
    read = sba.read(write(tmp_path / "a.csv", table.to_numpy().tolist(), list(table)), schema)
    assert not set(late) & set(read.columns)
    features = schema.features(KnownAt.BOOKING)
    recipe = Recipe.of(schema, [field.name for field in features])
    assert len(recipe.compute(validate(read, schema).frame)) == 1  # none of them needs these
    table = table.drop(columns="ChgOffDate")
    with pytest.raises(DataError, match="no column 'ChgOffDate'"):
        sba.read(write(tmp_path / "b.csv", table.to_numpy().tolist(), list(table)), schema)


# --- engineered fields ---------------------------------------------------------------------------


@pytest.fixture
def derived(tmp_path: Path, schema: Schema) -> pd.DataFrame:
    unknown = [*UNKNOWN]
    unknown[HEADER.index("Bank")] = "BANCO POPULAR"
    path = write(tmp_path / "a.csv", [REPAID, CHARGED_OFF, unknown])
    return derive(validate(sba.read(path, schema), schema).frame, schema)


def test_engineered_fields_by_hand(derived: pd.DataFrame) -> None:
    def column(name: str) -> list[float]:
        return derived[name].tolist()

    nan = math.nan
    expected = {
        "log_amount": [11.0020998412, 14.0386541093, 6.2146080984],
        "guarantee_share": [0.8, 0.5, 0.5],
        "log_employees": [1.6094379124, 0.0, 2.3025850930],
        "log_jobs_created": [0.0, 1.3862943611, 0.0],
        "log_jobs_retained": [0.0, 0.6931471806, 1.0986122887],
        "jobs_reported": [0.0, 1.0, 1.0],
        "franchise": [0.0, 1.0, 0.0],
        "same_state_lender": [0.0, 1.0, nan],
        "NewExist": [1.0, 0.0, nan],
        "LowDoc": [1.0, 0.0, nan],  # "C" is a stray code
        "RevLineCr": [0.0, nan, nan],  # so are "T" and "0"
    }
    for name, values in expected.items():
        assert column(name) == pytest.approx(values, nan_ok=True, abs=1e-9), name
        assert derived[name].dtype == np.float64
    assert derived["amount_band"].astype("str").tolist() == [
        "50k-100k",
        "250k and more",
        "below 10k",
    ]
    assert derived["sector"].astype("str").tolist()[:2] == ["44-45", "23"]
    assert pd.isna(derived["sector"].iloc[2])
    assert derived["UrbanRural"].astype("str").tolist()[1:] == ["2", "1"]
    assert pd.isna(derived["UrbanRural"].iloc[0])


def test_a_missing_source_field_gives_a_missing_engineered_field(
    derived: pd.DataFrame, schema: Schema
) -> None:
    parents = {parent for parents in ENGINEERED.values() for parent in parents}
    blank = derived.copy()
    for name in parents:
        missing: object = pd.NA if blank[name].dtype == "category" else np.nan
        blank[name] = pd.Series([missing] * len(blank), index=blank.index, dtype=blank[name].dtype)
    blank = derive(blank, schema)
    assert blank[list(ENGINEERED)].isna().all(axis=None)


@pytest.mark.parametrize(
    ("amount", "band"),
    [
        (9_999, "below 10k"),
        (10_000, "10k-25k"),
        (24_999, "10k-25k"),
        (25_000, "25k-50k"),
        (50_000, "50k-100k"),
        (100_000, "100k-250k"),
        (250_000, "250k and more"),
    ],
)
def test_bands_include_their_lower_bound(amount: float, band: str, schema: Schema) -> None:
    made = Recipe.of(schema, ["amount_band"]).compute(pd.DataFrame({"GrAppv": [float(amount)]}))
    assert made["amount_band"].tolist() == [band]


@pytest.mark.parametrize(
    ("code", "sector"),
    [
        ("311811", "31-33"), ("322121", "31-33"), ("339999", "31-33"), ("441110", "44-45"),
        ("453998", "44-45"), ("484110", "48-49"), ("493110", "48-49"), ("722110", "72"),
        ("999990", None), ("7", None),
    ],
)  # fmt: skip
def test_sectors_follow_the_official_groups(code: str, sector: str | None, schema: Schema) -> None:
    made = Recipe.of(schema, ["sector"]).compute(pd.DataFrame({"NAICS": [code]}))["sector"]
    assert made.tolist() == [sector] or (sector is None and made.isna().all())


def test_each_engineered_value_is_of_its_own_row(derived: pd.DataFrame, schema: Schema) -> None:
    given = derived.drop(columns=list(ENGINEERED))
    before = given.copy(deep=True)
    made = derive(given, schema)
    pd.testing.assert_frame_equal(given, before)
    pd.testing.assert_frame_equal(made[list(given.columns)], before)
    shuffled = derive(given.iloc[::-1], schema)
    pd.testing.assert_frame_equal(shuffled.loc[made.index], made)


# --- the schema ----------------------------------------------------------------------------------


def test_schema_says_what_is_engineered_and_from_what(schema: Schema) -> None:
    declared = {f.name: set(f.derived_from) for f in schema.fields.values() if f.formula}
    assert declared == {name: set(parents) for name, parents in ENGINEERED.items()}


def test_engineered_values_hold_to_the_schema(derived: pd.DataFrame, schema: Schema) -> None:
    again = validate(derived[list(ENGINEERED)], schema, needed=list(ENGINEERED))
    assert again.num_rejected == 0
    for name in ("sector", "amount_band"):
        assert tuple(derived[name].cat.categories) == schema.fields[name].values


def test_what_carries_the_outcome_is_a_feature_only_on_the_runs_own_word(schema: Schema) -> None:
    late = {"Term", "RevLineCr", "BankState", "same_state_lender"}
    for decision_point in (KnownAt.APPLICATION, KnownAt.BOOKING):
        names = {f.name for f in schema.features(decision_point)}
        assert not names & late
        for name in late:
            with pytest.raises(SchemaError, match=name):
                schema.features(decision_point, only=[name])
            allowed = schema.features(decision_point, allow_late=[name])
            assert {f.name for f in allowed} == names | {name}
    for name in ("DisbursementGross", "ChgOffPrinGr", "ChgOffDate", "MIS_Status"):
        with pytest.raises(SchemaError, match=name):
            schema.features(KnownAt.BOOKING, allow_late=[name])


def test_amounts_are_known_at_booking_not_at_application(schema: Schema) -> None:
    booked = {f.name for f in schema.features(KnownAt.BOOKING)}
    applied = {f.name for f in schema.features(KnownAt.APPLICATION)}
    assert booked - applied == {"log_amount", "amount_band", "guarantee_share"}


def test_every_field_is_labelled_and_every_number_has_a_unit_and_bounds(schema: Schema) -> None:
    def unfinished(field: Field) -> bool:
        bare = field.kind is Kind.NUMERIC and (
            not field.unit or field.min is None or field.max is None
        )
        return bare or set(field.label) != {"en", "zh"}

    assert [field.name for field in schema.fields.values() if unfinished(field)] == []


# --- the sample ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample(schema: Schema) -> pd.DataFrame:
    return sba.read(SAMPLE, schema)


@needs_sample
def test_sample_is_read_whole_and_holds_to_the_schema(sample: pd.DataFrame, schema: Schema) -> None:
    assert len(sample) == 22_427
    checked = validate(sample, schema)
    reasons = checked.rejected.groupby(["field", "reason"]).size()
    assert reasons.to_dict() == {("Bank", "is missing"): 15}
    again = validate(derive(checked.frame, schema)[list(ENGINEERED)], schema, needed=[])
    assert again.num_rejected == 0


@needs_sample
@pytest.mark.parametrize(
    ("since", "loans", "lowest"), [("1960-01-01", 15_857, 0.085), ("1990-01-01", 15_721, 0.077)]
)
def test_sample_is_a_federation_of_13_banks(
    sample: pd.DataFrame, schema: Schema, since: str, loans: int, lowest: float
) -> None:
    frame = validate(sample, schema).frame
    target = schema.fields["MIS_Status"]
    labelled = frame[frame["MIS_Status"].notna() & (frame["ApprovalDate"] >= since)]
    bad = labelled["MIS_Status"].isin(target.bad)
    assert (bad | labelled["MIS_Status"].isin(target.good)).all()
    banks = bad.groupby(labelled["Bank"]).agg(["size", "mean"]).query("size >= 200")
    assert len(banks) == 13
    assert banks["size"].sum() == loans
    assert lowest <= banks["mean"].min() and banks["mean"].max() <= 0.345


@needs_sample
def test_sample_reads_the_same_in_the_public_spelling(
    tmp_path: Path, sample: pd.DataFrame, schema: Schema
) -> None:
    source = pd.read_csv(SAMPLE, dtype="str", keep_default_na=False).iloc[::10]
    source["ApprovalDate"] = pd.to_datetime(source["ApprovalDate"]).dt.strftime("%d-%b-%y")
    for name in AMOUNTS:
        source[name] = [f"${int(cell):,}.00 " for cell in source[name]]
    source.to_csv(tmp_path / "public.csv", index=False)
    read = sba.read(tmp_path / "public.csv", schema)
    pd.testing.assert_frame_equal(read, sample.iloc[::10].reset_index(drop=True))
