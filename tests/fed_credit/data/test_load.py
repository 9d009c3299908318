from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fed_credit.config.spec import (
    CsvSpec,
    DataSpec,
    MappingSpec,
    PartitionKind,
    PartitionSpec,
    SourceKind,
    SplitKind,
    SplitSpec,
    SyntheticSpec,
    TargetSpec,
)
from fed_credit.data.book import DataReport, Dataset, Part
from fed_credit.data.load import load_dataset, resolve_schema
from fed_credit.data.records import RejectedRowsError
from fed_credit.data.schema import KnownAt
from fed_credit.data.split import assign_parts
from fed_credit.errors import ConfigurationError, DataError, FedCreditError, SchemaError

ROOT = Path(__file__).parents[3]
SCHEMAS = ROOT / "conf" / "schemas"
SCHEMA = """
name: hand
currency: CNY
roles: {institution: bank, loan_id: loan, firm_id: firm, decision_date: decided,
        event_date: defaulted, target: status, exposure: amount}
fields:
  bank: {kind: institution}
  loan: {kind: identifier}
  firm: {kind: identifier}
  decided: {kind: date}
  defaulted: {kind: date, known_at: outcome}
  status: {kind: target, known_at: outcome, good: [paid], bad: [lost]}
  amount: {kind: numeric, min: 0}
  rate: {kind: numeric, known_at: booking}
  sector: {kind: categorical, values: [trade, farm]}
  city: {kind: categorical}
  balance: {kind: numeric, known_at: outcome}
  unused: {kind: numeric, feature: false}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hand.yaml").write_text(SCHEMA, encoding="utf-8")
    return tmp_path


def records(n: int = 600, seed: int = 0) -> pd.DataFrame:
    """Text records of four banks with every way for a row to be set aside."""
    rng = np.random.default_rng(seed)
    days = np.datetime64("2015-01-01") + rng.integers(0, 2500, n)
    bad = rng.random(n) < 0.3
    late = rng.integers(1, 1000, n)
    frame = pd.DataFrame(
        {
            "bank": rng.choice(["north", "south", "east", "tiny"], n, p=[0.45, 0.3, 0.24, 0.01]),
            "loan": np.arange(n).astype(str),
            "firm": rng.integers(0, n, n).astype(str),
            "decided": days.astype(str),
            "defaulted": np.where(bad, (days + late).astype(str), ""),
            "status": np.where(bad, "lost", "paid"),
            "amount": rng.integers(1, 1000, n).astype(str),
            "rate": "5",
            "sector": rng.choice(["trade", "farm", ""], n),
            "city": rng.choice(["X", "Y", "Z"], n),
            "balance": "1",
        }
    )
    frame.loc[rng.random(n) < 0.02, "amount"] = "rubbish"
    frame.loc[rng.random(n) < 0.02, "status"] = ""
    return frame


def spec(folder: Path, frame: pd.DataFrame | None = None, **changed: object) -> DataSpec:
    path = folder / "loans.csv"
    (records() if frame is None else frame).to_csv(path, index=False)
    made = DataSpec(
        source=SourceKind.TABLE,
        path=str(path),
        url=None,
        query=None,
        csv=CsvSpec("auto", "auto", "."),
        mapping=MappingSpec({}, {}, {}, {}),
        institutions=[],
        schema="hand",
        decision_point=KnownAt.APPLICATION,
        allow_late_fields=[],
        exclude_fields=[],
        features=[],
        approved_from=None,
        min_loans=20,
        max_rejected_share=0.05,
        target=TargetSpec(24, "2022-06-30"),
        partition=PartitionSpec(PartitionKind.NATURAL, 3, 1.0),
        split=SplitSpec(SplitKind.RANDOM, 0.2, 0.2, None, None, True),
        generator=SyntheticSpec(
            num_loans=3000,
            num_institutions=4,
            seed=5,
            first_month="2015-01",
            last_month="2023-12",
            base_default_rate=0.12,
            size_skew=0.5,
            default_rate_skew=0.3,
            covariate_shift=0.5,
            concept_shift=0.2,
            drift=0.2,
            credit_cycle=0.3,
            noise=0.3,
            missing=1.0,
            shared_firms=0.1,
            break_from=None,
            break_population=0.0,
            break_concept=0.0,
        ),
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def load(made: DataSpec, folder: Path, k: int | None = None, seed: int = 7) -> Dataset:
    return load_dataset(made, num_institutions=k, schema_dir=folder, seed=seed)


def accounted(report: DataReport) -> int:
    return (
        report.rejected
        + report.unlabelled
        + report.immature
        + report.out_of_scope
        + report.left_out
        + report.used
    )


def test_a_table_becomes_a_data_set(folder: Path) -> None:
    frame = records()
    data = load(spec(folder, frame), folder)

    assert data.names == ("north", "south", "east")
    assert [item.name for item in data.fields] == ["amount", "sector", "city"]
    assert data.features.columns.tolist() == ["amount", "sector", "city"]
    assert data.features["amount"].dtype == np.float64
    assert data.features["sector"].cat.categories.tolist() == ["trade", "farm"]
    source = frame.set_index("loan").loc[list(data.loan_id)]
    bank = np.repeat(data.names, np.diff(data.offsets))
    assert source["bank"].tolist() == bank.tolist()
    assert source["amount"].astype(float).tolist() == data.exposure.tolist()
    assert source["decided"].tolist() == data.decided.astype(str).tolist()
    assert source.groupby(data.firm)["firm"].nunique().max() == 1
    assert len(np.unique(data.firm)) == source["firm"].nunique()
    for k in range(3):
        loans = data.loan_id[data.rows(k)].astype(int)
        assert (np.diff(loans) > 0).all()  # the order of the source
    report = data.report
    assert report.rows == 600 == accounted(report)
    assert report.rejected == (frame["amount"] == "rubbish").sum() == len(data.rejected)
    assert report.reasons == {"amount is not a finite number": report.rejected}
    assert report.left_out_institutions == 1
    assert report.used == len(data)
    assert report.immature > 0
    assert data.warnings == (
        f"{report.rejected} of 600 rows ({report.rejected / 600:.1%}) were rejected; the commonest"
        f" reason: amount is not a finite number ({report.rejected} rows).",
    )


@settings(max_examples=20, deadline=None)
@given(
    window=st.sampled_from([None, 12, 36]),
    approved_from=st.sampled_from([None, "2017-07-01"]),
    min_loans=st.sampled_from([1, 20, 60]),
    kind=st.sampled_from(list(PartitionKind)),
    k=st.sampled_from([None, 2]),
    seed=st.integers(0, 5),
)
def test_every_row_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory,
    window: int | None,
    approved_from: str | None,
    min_loans: int,
    kind: PartitionKind,
    k: int | None,
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    (folder / "hand.yaml").write_text(SCHEMA, encoding="utf-8")
    made = spec(
        folder,
        records(seed=seed),
        target=TargetSpec(window, "2022-06-30"),
        approved_from=approved_from,
        min_loans=min_loans,
        partition=PartitionSpec(kind, 3, 5.0),
        max_rejected_share=1.0,
    )
    try:
        data = load(made, folder, k, seed)
    except FedCreditError as error:  # too few institutions of that size
        assert min_loans > 1
        assert "lower data.min_loans" in str(error)
        return
    assert data.report.rows == 600 == accounted(data.report)
    assert data.report.used == len(data) == data.offsets[-1]
    sizes = np.diff(data.offsets)
    assert (sizes >= min_loans).all()
    assert (np.diff(sizes) <= 0).all()
    assert set(np.unique(data.y)) == {0, 1}


def test_fewer_institutions_keep_the_loans_and_the_parts_of_the_rest(folder: Path) -> None:
    made = spec(folder)
    three, two = load(made, folder, 3), load(made, folder, 2)
    assert two.names == three.names[:2]
    parts = [
        pd.Series(assign_parts(data, made.split, 24, 3), index=data.loan_id)
        for data in (three, two)
    ]
    pd.testing.assert_series_equal(parts[0].loc[two.loan_id], parts[1])
    assert two.shared_firm is not None
    assert two.shared_firm.any()


def test_the_fingerprint_is_of_the_data_used(folder: Path) -> None:
    frame = records()
    base = load(spec(folder, frame), folder).report.fingerprint
    assert base == load(spec(folder, frame), folder).report.fingerprint
    extra = frame.assign(note="not in the schema")
    assert base == load(spec(folder, extra), folder).report.fingerprint
    renamed = frame.assign(bank=frame["bank"].replace("tiny", "small"))  # left out in any case
    assert base == load(spec(folder, renamed), folder).report.fingerprint
    first = frame.index[(frame["bank"] == "north") & (frame["decided"] < "2019")][0]
    for column, value in (("city", "Q"), ("amount", "1001"), ("bank", "south"), ("firm", "new")):
        changed = frame.copy()
        changed.loc[first, column] = value
        assert base != load(spec(folder, changed), folder).report.fingerprint
    assert base != load(spec(folder, frame, exclude_fields=["city"]), folder).report.fingerprint


def test_late_fields_need_a_word_and_leave_a_warning(folder: Path) -> None:
    data = load(spec(folder, allow_late_fields=["balance", "rate"]), folder)
    assert [item.name for item in data.fields] == ["amount", "rate", "sector", "city", "balance"]
    leaks = [sentence for sentence in data.warnings if sentence.startswith("Leakage: ")]
    assert len(leaks) == 2
    assert "'rate' is known only at booking" in leaks[0]
    booked = load(spec(folder, decision_point=KnownAt.BOOKING), folder)
    assert "rate" in booked.features
    assert not [sentence for sentence in booked.warnings if sentence.startswith("Leakage")]


def test_warnings_for_the_reader(folder: Path) -> None:
    frame = records()
    frame.loc[frame["bank"] == "south", "status"] = "paid"
    out_of_time = SplitSpec(SplitKind.OUT_OF_TIME, 0.2, 0.2, None, None, embargo=True)
    frame["amount"] = frame["amount"].replace("rubbish", "")
    short = frame[frame["decided"].between("2016-01-01", "2017-06-30")]
    data = load(
        spec(folder, short, target=TargetSpec(None, None), split=out_of_time, min_loans=10), folder
    )
    for words in (
        "The target is the final status only",
        "1 of 3 institutions have loans of one outcome only",
        "decided within 18 months, too short",
        "Out of time without a performance window",
        "have no exposure; they count as 0",
    ):
        assert sum(words in sentence for sentence in data.warnings) == 1, words
    assert (data.exposure == 0).sum() == data.features["amount"].isna().sum() > 0


def test_too_many_rejected_rows_stop_the_run_and_can_be_seen(folder: Path) -> None:
    frame = records()
    frame.loc[:99, "amount"] = "-5"
    with pytest.raises(RejectedRowsError, match=r"amount is below the minimum 0 \(100 rows\)") as e:
        load(spec(folder, frame), folder)
    assert e.value.rejected["row"].tolist()[:100] == list(range(1, 101))
    assert isinstance(e.value, DataError)
    allowed = load(spec(folder, frame, max_rejected_share=0.5), folder)
    assert allowed.report.rejected >= 100


def test_rows_without_institution_or_place_in_time_are_rejected(folder: Path) -> None:
    frame = records()
    frame.loc[0, "bank"] = ""
    frame.loc[1, "decided"] = ""
    data = load(spec(folder, frame), folder)
    assert data.report.reasons.items() >= {"bank is missing": 1, "decided is missing": 1}.items()
    drawn = PartitionSpec(PartitionKind.IID, 3, 1.0)
    untimed = spec(
        folder, frame.drop(columns="bank"), partition=drawn, target=TargetSpec(None, None)
    )
    data = load(untimed, folder)
    assert data.names == ("part-01", "part-02", "part-03")
    assert "decided is missing" not in data.report.reasons


def test_firms_and_loans_without_identifier(folder: Path) -> None:
    text = SCHEMA.replace("loan_id: loan, firm_id: firm, ", "")
    (folder / "hand.yaml").write_text(text, encoding="utf-8")
    data = load(spec(folder, records().drop(columns=["loan", "firm"])), folder)
    assert len(np.unique(data.firm)) == len(data)
    assert len(np.unique(data.loan_id)) == len(data)


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"decision_point": KnownAt.OUTCOME}, ConfigurationError, "data.decision_point=outcome"),
        ({"schema": "hant"}, SchemaError, "neither a packaged schema.*Did you mean 'hand'"),
        ({"features": ["amout"]}, SchemaError, "Did you mean 'amount'"),
        ({"features": ["rate"]}, SchemaError, "known only at booking"),
        ({"exclude_fields": ["amount", "sector", "city"]}, SchemaError, "no feature left"),
        ({"path": None}, ConfigurationError, "set data.path"),
        ({"approved_from": "2030-01-01"}, DataError, "No labelled loan is left of 600 rows"),
        ({"approved_from": "yesterday"}, ConfigurationError, "data.approved_from=yesterday"),
        ({"max_rejected_share": 1.5}, ConfigurationError, "max_rejected_share=1.5"),
        ({"min_loans": 5000}, DataError, "lower data.min_loans"),
        ({"target": TargetSpec(24, "2010-01-01")}, DataError, "not observed for the whole"),
    ],
)
def test_what_cannot_be_loaded_says_why_in_one_sentence(
    folder: Path, changed: dict[str, object], error: type[FedCreditError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        load(spec(folder, **changed), folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("institution: bank, ", "", "names no institution"),
        ("decision_date: decided", "decision_date: amount", "must be of kind 'date'"),
        ("exposure: amount", "exposure: city", "must be of kind 'numeric'"),
        ("firm: {kind", "company: {kind: identifier}\n  firm: {kind", None),
        ("  city: ", "  town: {kind: categorical}\n  city: ", r"no column 'town'.*exclude_fields"),
    ],
)
def test_a_schema_that_does_not_fit(folder: Path, old: str, new: str, words: str | None) -> None:
    (folder / "hand.yaml").write_text(SCHEMA.replace(old, new), encoding="utf-8")
    if words is None:  # a field that is neither needed nor present is no error
        assert len(load(spec(folder), folder))
        return
    with pytest.raises(SchemaError, match=words):
        load(spec(folder), folder)


def test_a_schema_file_by_its_path(folder: Path) -> None:
    assert resolve_schema(str(folder / "hand.yaml"), SCHEMAS).name == "hand"


def test_one_outcome_only_is_nothing_to_learn_from(folder: Path) -> None:
    frame = records().assign(defaulted="", status="paid")
    with pytest.raises(DataError, match="labelled loans are good"):
        load(spec(folder, frame), folder)


def test_the_built_in_data_load_out_of_time(folder: Path) -> None:
    split = SplitSpec(SplitKind.OUT_OF_TIME, 0.25, 0.2, None, None, embargo=True)
    made = spec(
        folder,
        source=SourceKind.SYNTHETIC,
        schema="synthetic",
        path=None,
        split=split,
        target=TargetSpec(24, "2024-12-31"),
    )
    data = load(made, SCHEMAS)
    assert data.report.rows == 3000 == accounted(data.report)
    assert data.report.rejected == 0
    assert len(data.names) == 4
    assert data.true_pd is not None
    assert not {"true_pd", "firm_id"} & set(data.features.columns)
    engineered = [item.name for item in data.fields if item.derived_from]
    assert engineered
    assert not np.isinf(data.features[engineered].to_numpy(dtype=float)).any()
    parts = assign_parts(data, split, 24, 7)
    shares = [(parts == part).mean() for part in (Part.TRAIN, Part.VALIDATION, Part.TEST)]
    assert shares[2] == pytest.approx(0.25, abs=0.03)
    assert shares[1] / (shares[0] + shares[1]) == pytest.approx(0.2, abs=0.01)
    # Not one of the drivers is the outcome in disguise.
    assert 0.05 < data.y.mean() < 0.25


@pytest.mark.parametrize("seed", [7])
def test_the_sba_sample_loads_as_its_notes_say(folder: Path, seed: int) -> None:
    path = Path(
        os.environ.get("FED_CREDIT_SBA_PATH")
        or ROOT.parent / "shared" / "data" / "sba" / "sba_7a_national_sample.csv.gz"
    )
    if not path.is_file():
        pytest.skip(f"no SBA sample at {path}; set FED_CREDIT_SBA_PATH")
    made = spec(
        folder,
        source=SourceKind.SBA,
        schema="sba",
        path=str(path),
        decision_point=KnownAt.BOOKING,
        min_loans=200,
        target=TargetSpec(None, None),
    )
    data = load(made, SCHEMAS)
    assert data.report.rows == 22_427 == accounted(data.report)
    assert len(data.names) == 13
    assert data.report.used == 15_857
    rates = [book.y.mean() for book in data.books()]
    assert 0.085 < min(rates) < 0.10
    assert 0.33 < max(rates) < 0.35
    assert "Term" not in data.features
    recent = load(replace(made, approved_from="1990-01-01"), SCHEMAS)
    assert recent.report.used == 15_857 - 136
    parts = assign_parts(data, made.split, None, seed)
    assert (parts == Part.TEST).mean() == pytest.approx(0.2, abs=0.001)
