from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fed_credit.config.location import schema_dir
from fed_credit.data import synthetic
from fed_credit.data.schema import Kind, KnownAt, Outside, Schema, load_schema
from fed_credit.data.validate import validate
from fed_credit.errors import ConfigurationError, DataError, FedCreditError
from fed_credit.onboarding.details import outward
from fed_credit.onboarding.infer import Given, Proposal, infer
from fed_credit.onboarding.render import to_yaml
from fed_credit.onboarding.tables import chunks_of

ROOT = Path(__file__).parents[3]
SAMPLE = Path(
    os.environ.get("FED_CREDIT_SBA_PATH")
    or ROOT.parent / "shared" / "data" / "sba" / "sba_7a_national_sample.csv.gz"
)
N = 400


def proposed(frame: pd.DataFrame, chunk: int = 150, **named: Any) -> Proposal:
    def chunks() -> Iterator[pd.DataFrame]:
        for start in range(0, len(frame), chunk):
            yield frame.iloc[start : start + chunk].reset_index(drop=True)

    return infer(chunks, Given(**{"target": "status", "institution": "bank", **named}))


def table(**columns: Any) -> pd.DataFrame:
    """A table of text with two banks and a status that depends on nothing."""
    rng = np.random.default_rng(5)
    base = {
        "bank": rng.choice(["A", "B"], N),
        "status": rng.choice(["good", "bad"], N, p=[0.8, 0.2]),
    }
    made = pd.DataFrame({**base, **columns})
    return made.map(lambda value: None if value is None else str(value)).astype("str")


def drawn(values: list[Any], seed: int = 1) -> list[Any]:
    return [values[k] for k in np.random.default_rng(seed).integers(0, len(values), N)]


def field_of(values: list[Any], name: str = "x") -> Any:
    found = proposed(table(**{name: values}))
    return found.schema("s").fields[name]


NUMBERS = [round(float(value), 2) for value in np.random.default_rng(3).gamma(2.0, 3000.0, N)]


@pytest.mark.parametrize(
    ("values", "kind", "keys"),
    [
        (NUMBERS, Kind.NUMERIC, {"strip": (), "min": 0.0}),
        ([f"{v:,.2f}" for v in NUMBERS], Kind.NUMERIC, {"strip": (",",)}),
        ([f"¥{v:,.0f}" for v in NUMBERS], Kind.NUMERIC, {"strip": (",", "¥")}),
        ([f"{v / 1000:.1f}%" for v in NUMBERS], Kind.NUMERIC, {"strip": ("%",), "unit": "%"}),
        ([f"{v:.0f}万元" for v in NUMBERS], Kind.NUMERIC, {"strip": ("万元",), "unit": "万元"}),
        ([*NUMBERS[:-40], *["NA"] * 40], Kind.NUMERIC, {"missing_codes": ("NA",)}),
        ([*NUMBERS[:-40], *["-1"] * 40], Kind.NUMERIC, {"missing_codes": ("-1",), "min": 0.0}),
        ([*drawn([1, 2, 3, 4, 5])[:-40], *["9999"] * 40], Kind.NUMERIC, {"max": 20.0}),
        (drawn(["1,5", "2,75", "13,1"]), Kind.CATEGORICAL, {"strip": ()}),
        (drawn(["是", "否"]), Kind.BOOLEAN, {"true_values": ("是",), "false_values": ("否",)}),
        (drawn(["Y", "N", "未知"]), Kind.BOOLEAN, {"missing_codes": ("未知",)}),
        (drawn(["有", "无"]), Kind.BOOLEAN, {"missing_codes": ()}),
        (drawn(["1.0", "0.0", None]), Kind.BOOLEAN, {"true_values": ("1.0",)}),
        (drawn(["2024-01-31", "2023-12-01"]), Kind.DATE, {"date_formats": ()}),
        (drawn(["20240131", "20231201", "00000000"]), Kind.DATE, {"date_formats": ("%Y%m%d",)}),
        (drawn(["2024/1/31", "2023/12/01"]), Kind.DATE, {"date_formats": ("%Y/%m/%d",)}),
        (drawn(["2024年1月31日"]), Kind.DATE, {"date_formats": ("%Y年%m月%d日",)}),
        (drawn(["31/12/2020", "01/02/2020"]), Kind.DATE, {"date_formats": ("%d/%m/%Y",)}),
        (drawn(["12/31/2020", "30-Jan-10"]), Kind.DATE, {}),
        (drawn(["trade", "farming", "未知"]), Kind.CATEGORICAL, {"missing_codes": ("未知",)}),
        ([f"note {k} about this firm" for k in range(N)], Kind.CATEGORICAL, {"feature": False}),
        ([f"LN{k:06d}" for k in range(N)], Kind.IDENTIFIER, {"feature": False}),
        (range(1, N + 1), Kind.IDENTIFIER, {"feature": False}),
        ([10**9 + 7 * k * k for k in range(N)], Kind.IDENTIFIER, {"feature": False}),
        (drawn([f"{k:03d}" for k in range(40)]), Kind.CATEGORICAL, {"missing_codes": ("000",)}),
        ([None] * N, Kind.CATEGORICAL, {"feature": False}),
        (["same"] * N, Kind.CATEGORICAL, {"feature": False}),
    ],
)
def test_kinds(values: list[Any], kind: Kind, keys: dict[str, Any]) -> None:
    found = field_of(list(values))
    assert found.kind is kind
    assert {key: getattr(found, key) for key in keys} == keys


def test_many_categories_go_to_buckets_and_few_are_listed() -> None:
    few = field_of(drawn([f"sector {k}" for k in range(6)]))
    assert sorted(few.values) == [f"sector {k}" for k in range(6)]
    assert few.outside is Outside.MISSING
    many = field_of(drawn([f"town{k}" for k in range(90)]))
    assert many.values == () and many.hash_buckets == 128
    codes = field_of(drawn(["0", *[str(k) for k in range(451110, 451200)]]), "NAICS")
    assert codes.kind is Kind.CATEGORICAL and codes.missing_codes == ("0",)


@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12))
def test_bounds_leave_room(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    least, most = outward(low, high)
    assert most >= 2 * high and most >= high
    assert least <= 2 * low and least <= low


def test_roles_are_found_by_name_in_both_languages() -> None:
    days = drawn(["20200101", "20210630"])
    chinese = proposed(
        table(
            借据号=[f"J{k}" for k in range(N)],
            统一社会信用代码=[f"9142010{k:011d}" for k in range(N)],
            申请日期=days,
            放款日期=days,
            **{"贷款金额（万元）": NUMBERS},
        )
    )
    assert vars(chinese.roles) | {"true_pd": None} == {
        "institution": "bank",
        "target": "status",
        "loan_id": "借据号",
        "firm_id": "统一社会信用代码",
        "decision_date": "申请日期",
        "event_date": None,
        "exposure": "贷款金额（万元）",
        "true_pd": None,
    }
    fields = chinese.schema("s").fields
    assert fields["贷款金额（万元）"].unit == "万元"
    assert fields["借据号"].label["zh"] == "借据号"
    english = proposed(table(Loan_ID=range(N), approval_date=days, amount=NUMBERS))
    assert english.roles.loan_id == "Loan_ID"
    assert english.roles.decision_date == "approval_date"
    assert english.roles.exposure == "amount"


@pytest.mark.parametrize(
    ("name", "values", "bad"),
    [
        ("status", ["0", "1"], ("1",)),
        ("status", ["Y", "N"], ("Y",)),
        ("repaid", ["Y", "N"], ("N",)),
        ("是否结清", ["是", "否"], ("否",)),
        ("是否违约", ["是", "否"], ("是",)),
        ("五级分类", ["正常", "关注", "次级", "可疑", "损失"], ("次级", "可疑", "损失")),
        ("MIS_Status", ["P I F", "CHGOFF"], ("CHGOFF",)),
        ("状态", ["正常", "逾期"], ("逾期",)),
    ],
)
def test_outcomes_are_guessed(name: str, values: list[str], bad: tuple[str, ...]) -> None:
    frame = table(**{name: drawn(values)})
    found = proposed(frame, target=name).schema("s").fields[name]
    assert sorted(found.bad) == sorted(bad)
    assert sorted((*found.good, *found.bad)) == sorted(values)


def test_what_cannot_be_guessed_is_asked_for() -> None:
    frame = table(grade=drawn(["alpha", "beta", "gamma"]))
    with pytest.raises(DataError, match="--good VALUE"):
        proposed(frame, target="grade")
    found = proposed(frame, target="grade", good=("alpha",), bad=("beta",))
    field = found.schema("s").fields["grade"]
    assert (field.good, field.bad, field.outside) == (("alpha",), ("beta",), Outside.MISSING)
    assert any("gamma" in line for line in found.confirm)
    with pytest.raises(ConfigurationError, match="no such value"):
        proposed(frame, target="grade", good=("delta",))
    with pytest.raises(ConfigurationError, match="Did you mean 'grade'"):
        proposed(frame, target="grad")
    with pytest.raises(ConfigurationError, match="already named by --target"):
        proposed(frame, institution="status")
    with pytest.raises(DataError, match="one value only"):
        proposed(table(status=["good"] * N))
    with pytest.raises(DataError, match="does not hold dates"):
        proposed(frame, decision_date="grade")


def test_what_knows_the_outcome_is_set_aside() -> None:
    rng = np.random.default_rng(8)
    base = table()
    bad = (base["status"] == "bad").to_numpy()
    decided = np.datetime64("2020-01-01") + rng.integers(0, 900, N)
    later = decided + rng.integers(30, 400, N)
    frame = table(
        decision_date=decided,
        status=base["status"],
        # Alone nearly perfect, by order and not by order.
        days_late=np.where(bad, rng.integers(80, 300, N), rng.integers(0, 90, N)),
        booked_term=np.where(bad, rng.integers(1, 5, N) * 12 + 5, rng.integers(1, 5, N) * 12),
        # Too few to tell goods from bads, but of one outcome.
        recovered=np.where(bad & (rng.random(N) < 0.4), rng.integers(1, 99, N), 0),
        closed_on=[str(day) if not b else None for day, b in zip(later, bad, strict=True)],
        stage=np.where(bad & (rng.random(N) < 0.5), "court", rng.choice(["a", "b"], N)),
        last_seen=later,
        # Honest: it helps, it is often missing, it lies before.
        score=np.round(rng.normal(bad * 1.0, 1.0), 2),
        founded=decided - rng.integers(400, 4000, N),
        gap=[None if rng.random() < (0.4 if b else 0.2) else 3 for b in bad],
    )
    found = proposed(frame)
    flagged = {item.field.name for item in found.fields if item.leaks}
    assert flagged == {"days_late", "booked_term", "recovered", "closed_on", "stage", "last_seen"}
    for item in found.fields:
        if item.leaks:
            assert item.field.known_at is KnownAt.OUTCOME
    text = to_yaml(found, name="s", source="x.csv")
    assert "after the decision" in text and "court" in text


@pytest.mark.skipif(
    not SAMPLE.is_file(), reason=f"no SBA sample at {SAMPLE}; set FED_CREDIT_SBA_PATH"
)
def test_leaks_of_the_sba_sample_and_nothing_else() -> None:
    found = infer(chunks_of(SAMPLE), Given("MIS_Status", "Bank"))
    flagged = {item.field.name for item in found.fields if item.leaks}
    assert flagged == {"Term", "ChgOffDate", "ChgOffPrinGr", "DisbursementDate"}
    fields = found.schema("sba").fields
    assert fields["LoanNr_ChkDgt"].kind is Kind.IDENTIFIER
    assert fields["NAICS"].missing_codes == ("0",)
    assert found.roles.decision_date == "ApprovalDate"
    assert (found.goods, found.bads) == (17614, 4690)  # of rows with a bank


def test_leaks_of_the_synthetic_loans_and_no_honest_feature(make_spec: Any) -> None:
    frame = synthetic.generate(make_spec("data.generator.num_loans=6000").data.generator)
    frame["outcome"] = np.where(frame["default_date"].notna(), "default", "repaid")
    found = proposed(frame, chunk=2500, target="outcome", institution="institution")
    flagged = {item.field.name for item in found.fields if item.leaks}
    assert flagged == {"default_date", "max_days_past_due", "recovered_amount"}
    packaged = load_schema(schema_dir() / "synthetic.yaml").roles
    assert vars(found.roles) == vars(packaged) | {"target": "outcome"}


def test_the_proposal_does_not_depend_on_the_chunks() -> None:
    frame = table(n=NUMBERS, c=drawn(["a", "b", "c"]), d=drawn(["20200131", "20210228"]))
    texts = {to_yaml(proposed(frame, chunk=k), name="s", source="x") for k in (1000, 150, 7)}
    assert len(texts) == 1


def test_every_row_of_the_table_passes_its_own_proposal() -> None:
    frame = table(n=NUMBERS, c=drawn(["a", "b", "NA"]), d=drawn(["20200131", "0"]))
    assert validate(frame, proposed(frame).schema("s")).num_rejected == 0


CELLS = st.one_of(
    st.none(),
    st.sampled_from(
        ["0", "1", "-1", "9999", "NA", "无", "是", "2024-01-31", "20240231", "1,234.5", "12%"]
    ),
    st.text(max_size=6),
    st.integers().map(str),
    st.floats().map(str),
)


@st.composite
def tables(draw: Any) -> pd.DataFrame:
    names = draw(st.lists(st.text(min_size=0, max_size=8), max_size=3, unique=True))
    rows = draw(st.integers(1, 25))
    columns = {}
    for name in [*[name for name in names if name not in ("status", "bank")], "status", "bank"]:
        pool = draw(st.lists(CELLS, min_size=1, max_size=5))
        if name == "status" and draw(st.booleans()):
            pool = ["good", "bad", *pool]
        columns[name] = draw(st.lists(st.sampled_from(pool), min_size=rows, max_size=rows))
    return pd.DataFrame(columns, dtype="str")


@given(tables())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
def test_any_table_gives_a_schema_that_loads_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    try:
        found = proposed(frame, chunk=10)
        text = to_yaml(found, name="any", source="any.csv")
    except FedCreditError as error:
        assert str(error)
        return
    path.write_text(text, encoding="utf-8")
    loaded = load_schema(path)
    assert _plain(loaded) == _plain(found.schema("any"))


def _plain(schema: Schema) -> dict[str, dict[str, Any]]:
    return {name: vars(item) for name, item in schema.fields.items()}
