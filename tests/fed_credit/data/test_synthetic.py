"""The built-in data: what the schema says of them, what the PD means, and what each knob does."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fed_credit.config.spec import SyntheticSpec
from fed_credit.data.recipe import Recipe
from fed_credit.data.schema import KnownAt, Missing, Schema, load_schema
from fed_credit.data.synthetic import generate
from fed_credit.errors import ConfigurationError, DataError

CONF = Path(__file__).parents[3] / "conf"
SCHEMA = load_schema(CONF / "schemas" / "synthetic.yaml")
RECIPE = Recipe.of(SCHEMA, list(SCHEMA.fields))
EVEN = {  # a federation without heterogeneity
    "num_loans": 20_000,
    "size_skew": 0.0,
    "default_rate_skew": 0.0,
    "covariate_shift": 0.0,
    "concept_shift": 0.0,
    "drift": 0.0,
    "credit_cycle": 0.0,
    "noise": 0.0,
    "missing": 0.0,
    "shared_firms": 0.0,
}
# Fields that follow from default or from what the bank thinks of it, not from the application.
RISK = [
    "approved_amount",
    "interest_rate",
    "default_date",
    "recovered_amount",
    "max_days_past_due",
    "true_pd",
]


def packaged(**knobs: object) -> SyntheticSpec:
    text = (CONF / "data" / "synthetic.yaml").read_text(encoding="utf-8")
    return dataclasses.replace(SyntheticSpec(**yaml.safe_load(text)["generator"]), **knobs)


@cache
def loans(**knobs: object) -> pd.DataFrame:
    return generate(packaged(**knobs))


def derive(frame: pd.DataFrame) -> pd.DataFrame:
    made = RECIPE.compute(frame)
    return frame.assign(**{name: made[name] for name in made})


def even(**knobs: object) -> pd.DataFrame:
    return loans(**{**EVEN, **knobs})


@pytest.fixture(scope="module")
def schema() -> Schema:
    return load_schema(CONF / "schemas" / "synthetic.yaml")


def bad(frame: pd.DataFrame, months: int = 24) -> np.ndarray:
    due = frame["application_date"] + pd.DateOffset(months=months)
    return (frame["default_date"] <= due).to_numpy()


def logit(frame: pd.DataFrame) -> pd.Series:
    return np.log(frame["true_pd"] / (1 - frame["true_pd"]))


def auc(score: pd.Series, y: np.ndarray) -> float:
    """Mann-Whitney, by ranks."""
    ranks, bads = score.rank().to_numpy(), y.sum()
    return float((ranks[y].sum() - bads * (bads + 1) / 2) / (bads * (len(y) - bads)))


def slopes(frame: pd.DataFrame, by: pd.Series, field: str) -> pd.Series:
    """Least-squares slope of the log-odds on a field, within each group."""
    pairs = pd.DataFrame({"x": frame[field], "y": logit(frame)})
    return pairs.groupby(by).apply(lambda g: np.polyfit(g["x"], g["y"], 1)[0])


# --- records ------------------------------------------------------------------------------------


def test_equal_specifications_give_equal_records() -> None:
    small = packaged(num_loans=3000)
    pd.testing.assert_frame_equal(generate(small), generate(small))


def test_the_records_are_the_same_in_every_process() -> None:
    frame = generate(packaged(num_loans=3000))
    assert bad(frame).sum() == 336
    assert frame["requested_amount"].mean() == pytest.approx(598_647, rel=1e-3)


def test_another_seed_gives_other_records() -> None:
    first, second = loans(), loans(seed=1)
    assert not first["turnover"].equals(second["turnover"])
    assert not first["default_date"].equals(second["default_date"])


def test_the_frame_holds_the_fields_of_the_schema_in_its_order(schema: Schema) -> None:
    names = [name for name, field in schema.fields.items() if not field.formula]
    assert list(loans().columns) == names
    assert set(derive(loans()).columns) == set(schema.fields)


@settings(max_examples=12, deadline=None)
@given(
    knobs=st.fixed_dictionaries(
        {
            "num_loans": st.integers(40, 900),
            "num_institutions": st.integers(1, 40),
            "seed": st.integers(0, 2**32),
            "last_month": st.sampled_from(["2015-01", "2017-06", "2023-12"]),
            "base_default_rate": st.floats(0.005, 0.6),
            "size_skew": st.floats(0, 3),
            "default_rate_skew": st.floats(0, 2),
            "covariate_shift": st.floats(0, 3),
            "concept_shift": st.floats(0, 3),
            "drift": st.floats(0, 3),
            "credit_cycle": st.floats(0, 3),
            "noise": st.floats(0, 6),
            "missing": st.floats(0, 4),
            "shared_firms": st.floats(0, 1),
        }
    )
)
def test_every_value_is_one_the_schema_allows(knobs: dict[str, object]) -> None:
    schema = load_schema(CONF / "schemas" / "synthetic.yaml")
    spec = packaged(**knobs)
    frame = derive(generate(spec))
    assert len(frame) == spec.num_loans
    assert frame["true_pd"].mean() == pytest.approx(spec.base_default_rate, rel=1e-6)
    for name, field in schema.fields.items():
        values = frame[name]
        if field.missing is Missing.REJECT:
            assert values.notna().all(), name
        match field.kind:
            case "numeric":
                assert values.dtype == np.float64, name
                assert not np.isinf(values).any(), name
                assert field.min is None or values.min() >= field.min or values.isna().all(), name
                assert field.max is None or values.max() <= field.max or values.isna().all(), name
            case "categorical":
                assert tuple(values.cat.categories) == field.values, name
            case "boolean":
                allowed = {*field.true_values, *field.false_values}
                assert set(values.dropna().unique()) <= allowed, name
            case "date":
                assert values.dtype.kind == "M", name
            case _:
                assert values.dtype == "str", name


def test_the_schema_keeps_leakage_from_a_model(schema: Schema) -> None:
    application = {field.name for field in schema.features(KnownAt.APPLICATION)}
    booking = {field.name for field in schema.features(KnownAt.BOOKING)}
    assert application.isdisjoint(RISK)
    assert booking - application == {"approved_amount", "interest_rate"}
    assert {"log_turnover", "requested_term", "electricity_trend"} <= application
    late = ("recovered_amount", "max_days_past_due")
    leaked = {field.name for field in schema.features(KnownAt.APPLICATION, allow_late=late)}
    assert leaked - application == set(late)
    assert auc(loans()["max_days_past_due"], bad(loans())) > 0.98


def test_fields_are_labelled_in_both_languages_and_derived_ones_inherit_secrecy(
    schema: Schema,
) -> None:
    for name, field in schema.fields.items():
        assert field.label.get("en") and field.label.get("zh"), name
        assert field.unit or field.kind != "numeric", name
        if any(schema.fields[parent].sensitive for parent in field.derived_from):
            assert field.sensitive, name


def test_identifiers_are_unique_and_banks_are_ordered_by_size() -> None:
    frame = loans()
    assert frame["loan_id"].is_unique
    sizes = frame["institution"].value_counts()
    assert list(sizes.index) == sorted(sizes.index)
    assert sizes.index[0] == "Bank A"
    many = loans(num_institutions=40, num_loans=8000)["institution"]
    assert many.min() == "Bank 001" and many.max() == "Bank 040"


def test_dates_lie_in_the_period_and_default_comes_between_month_three_and_the_end() -> None:
    frame = loans()
    applied = frame["application_date"]
    assert applied.is_monotonic_increasing
    assert applied.min() >= pd.Timestamp("2015-01-01")
    assert pd.Timestamp("2023-12-25") <= applied.max() <= pd.Timestamp("2023-12-31")
    gone = frame.dropna(subset="default_date")
    months = gone["application_date"].dt.to_period("M").astype("int64")
    months = gone["default_date"].dt.to_period("M").astype("int64") - months
    assert (gone["default_date"] > gone["application_date"] + pd.DateOffset(months=3)).all()
    assert (months <= gone["requested_term"] + 3).all()
    assert (gone["recovered_amount"] <= gone["approved_amount"]).all()
    assert (gone["max_days_past_due"] >= 90).all()
    assert (frame.loc[frame["default_date"].isna(), "max_days_past_due"] < 90).all()
    assert (frame["approved_amount"] <= frame["requested_amount"]).all()


def test_the_hazard_has_a_hump_and_goes_on_after_the_window() -> None:
    frame = loans()
    long = frame[frame["requested_term"] == 60]
    rates = []
    for start in (3, 9, 15, 21, 27, 45):
        alive = long[~bad(long, start)]
        rates.append(bad(alive, start + 6).mean())
    assert rates[0] < 0.8 * rates[1]
    assert rates[5] < 0.5 * max(rates)
    assert int(np.argmax(rates)) in (1, 2)
    assert bad(long, 60).sum() > 1.3 * bad(long, 24).sum()


def test_the_smallest_bank_of_the_packaged_data_can_be_assessed() -> None:
    frame = loans()
    mature = frame[frame["application_date"] <= "2022-12-31"]
    sizes = mature.groupby("institution").size()
    bads = pd.Series(bad(mature), mature.index).groupby(mature["institution"]).sum()
    assert sizes.min() > 800
    assert bads.min() > 60


def test_a_firm_ages_with_the_calendar_and_stays_in_its_sector() -> None:
    frame = even(num_loans=6000)
    firms = frame.groupby("firm_id")
    assert firms["sector"].nunique().max() == 1
    assert (firms.size() > 1).mean() > 0.2
    month = frame["application_date"].dt.to_period("M").astype("int64")
    founded = (month - frame["firm_age"]).groupby(frame["firm_id"])
    assert (founded.max() == founded.min()).all()


# --- the PD -------------------------------------------------------------------------------------


@pytest.mark.parametrize("knobs", [{}, {"noise": 2.0, "base_default_rate": 0.2}])
def test_the_true_pd_is_calibrated_overall_and_by_decile(knobs: dict[str, float]) -> None:
    frame = loans(num_loans=150_000, **knobs)
    y, chance = bad(frame), frame["true_pd"].to_numpy()
    assert chance.mean() == pytest.approx(packaged(**knobs).base_default_rate, abs=1e-9)
    decile = pd.qcut(chance, 10, labels=False)
    gap = np.bincount(decile, y - chance)
    z = gap / np.sqrt(np.bincount(decile, chance * (1 - chance)))
    assert abs(gap.sum()) / np.sqrt((chance * (1 - chance)).sum()) < 3
    assert np.abs(z).max() < 4
    assert (z**2).sum() < 29.6  # chi-squared with 10 degrees of freedom, 99.9 %


def test_the_true_pd_is_calibrated_at_every_bank_and_for_every_term() -> None:
    frame = loans(num_loans=150_000)
    gap = pd.Series(bad(frame) - frame["true_pd"])
    variance = frame["true_pd"] * (1 - frame["true_pd"])
    for by in ("institution", "requested_term", "sector"):
        groups = frame[by]
        z = gap.groupby(groups, observed=True).sum()
        z /= np.sqrt(variance.groupby(groups, observed=True).sum())
        assert z.abs().max() < 4, by


@pytest.mark.parametrize("rate", [0.02, 0.12, 0.35])
def test_the_base_default_rate_is_met(rate: float) -> None:
    frame = loans(base_default_rate=rate)
    error = np.sqrt(rate * (1 - rate) / len(frame))
    assert bad(frame).mean() == pytest.approx(rate, abs=4 * error)


def test_models_come_close_to_the_best_reachable_auc_and_trees_beat_a_linear_model(
    schema: Schema,
) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame = loans()
    fields = [field.name for field in schema.features(KnownAt.APPLICATION)]
    x = pd.get_dummies(derive(frame)[fields], dtype=float)
    y = bad(frame)
    test = np.random.default_rng(3).random(len(x)) < 0.3
    linear = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=200))
    trees = HistGradientBoostingClassifier(
        learning_rate=0.08, max_iter=100, max_leaf_nodes=12, random_state=0
    )
    reached = [
        auc(pd.Series(model.fit(x[~test], y[~test]).predict_proba(x[test])[:, 1]), y[test])
        for model in (linear, trees)
    ]
    best = auc(frame["true_pd"][test], y[test])
    assert 0.80 < best < 0.85
    assert best - 0.07 < reached[0] < best - 0.03
    assert reached[0] + 0.008 < reached[1] < best - 0.015


# --- knobs: zero is none, more is more ----------------------------------------------------------


def test_size_skew() -> None:
    flat = even()["institution"].value_counts()
    assert flat.max() < 1.1 * flat.min()
    skewed = even(size_skew=1.0)["institution"].value_counts()
    assert 8 < skewed.max() / skewed.min() < 12.5
    assert even(size_skew=2.0)["institution"].value_counts().max() > skewed.max()


def test_default_rate_skew() -> None:
    def spread(frame: pd.DataFrame) -> float:
        return float(logit(frame).groupby(frame["institution"]).mean().std(ddof=0))

    none, some, more = (even(default_rate_skew=skew) for skew in (0.0, 0.5, 1.0))
    assert spread(none) < 0.06
    assert spread(some) == pytest.approx(0.5, abs=0.06)
    assert spread(more) == pytest.approx(1.0, abs=0.06)
    pd.testing.assert_frame_equal(none.drop(columns=RISK), more.drop(columns=RISK))


@pytest.mark.parametrize("field", ["sector", "region", "size"])
def test_covariate_shift(field: str) -> None:
    def distance(frame: pd.DataFrame) -> float:
        """Mean total variation distance between a bank's mix and the pooled one."""
        values = frame[field] if field != "size" else pd.qcut(frame["turnover"], 8)
        mix = pd.crosstab(frame["institution"], values, normalize="index")
        pooled = values.value_counts(normalize=True)[mix.columns]
        return float((mix - pooled).abs().sum(axis=1).mean() / 2)

    none, some, more = (distance(even(covariate_shift=shift)) for shift in (0.0, 0.5, 1.0))
    assert none < 0.05
    assert some > 2 * none
    assert more > 1.3 * some


def test_concept_shift() -> None:
    none, some, more = (even(concept_shift=shift) for shift in (0.0, 0.5, 1.0))
    pd.testing.assert_frame_equal(none.drop(columns=RISK), more.drop(columns=RISK))
    for field in ("inquiries", "tax_on_time"):
        spread = [slopes(f, f["institution"], field).std() for f in (none, some, more)]
        assert spread[1] > 2 * spread[0], field
        assert spread[2] > 1.4 * spread[1], field


def test_drift_moves_the_population_and_the_coefficients() -> None:
    def move(frame: pd.DataFrame) -> tuple[float, float]:
        third = pd.qcut(np.arange(len(frame)), 3, labels=False)
        counts = frame["inquiries"].groupby(third).mean()
        change = [
            np.diff(slopes(frame, pd.Series(third), field)[[0, 2]])[0] * frame[field].std()
            for field in ("inquiries", "tax_on_time", "arrears_days", "margin")
        ]
        return float(counts[2] / counts[0]), float(np.abs(change).mean())

    (ratio0, slope0), (ratio1, slope1), (ratio2, slope2) = (
        move(even(drift=drift)) for drift in (0.0, 1.0, 2.0)
    )
    assert ratio0 == pytest.approx(1.0, abs=0.05)
    assert 1.6 < ratio1 < 2.4 < ratio2
    assert slope1 > 2 * slope0
    assert slope2 > 1.4 * slope1


def test_a_break_changes_everything_from_its_month_on_and_nothing_before() -> None:
    calm = even()
    for knob in ("break_population", "break_concept"):
        broken = even(break_from="2021-01", **{knob: 1.0})
        after = (calm["application_date"] >= "2021-01-01").to_numpy()
        drawn = [name for name in calm.columns if name not in RISK]
        pd.testing.assert_frame_equal(broken[~after][drawn], calm[~after][drawn])
        moved = broken["inquiries"][after].mean() / calm["inquiries"][after].mean()
        if knob == "break_population":
            assert moved > 2.0
        else:
            pd.testing.assert_frame_equal(broken[drawn], calm[drawn])
            ranks = [np.corrcoef(broken["true_pd"][rows], calm["true_pd"][rows])[0, 1]
                     for rows in (~after, after)]  # fmt: skip
            assert ranks[0] > 0.99 > 0.9 > ranks[1]
    # Its size alone breaks nothing.
    pd.testing.assert_frame_equal(even(break_population=1.0, break_concept=1.0), calm)


def test_credit_cycle_hits_some_sectors_harder() -> None:
    def amplitude(frame: pd.DataFrame, sector: str) -> float:
        rows = frame[frame["sector"] == sector]
        yearly = logit(rows).groupby(rows["application_date"].dt.year).mean()
        return float(yearly.max() - yearly.min())

    none, some, more = (even(credit_cycle=cycle) for cycle in (0.0, 0.5, 1.0))
    pd.testing.assert_frame_equal(none.drop(columns=RISK), more.drop(columns=RISK))
    assert amplitude(none, "construction") < 0.35
    assert 0.7 < amplitude(some, "construction") < amplitude(more, "construction")
    assert amplitude(more, "construction") > 3 * amplitude(more, "health")
    by_year = [f["true_pd"].groupby(f["application_date"].dt.year).mean() for f in (none, more)]
    assert by_year[1].std() > 5 * by_year[0].std()


def test_noise_lowers_the_best_reachable_auc() -> None:
    best = [auc(f["true_pd"], bad(f)) for f in (even(noise=noise) for noise in (0.0, 1.5, 4.0))]
    assert best[0] - 0.02 > best[1] > best[2] + 0.03


def test_without_noise_the_odds_of_two_rates_differ_by_a_constant() -> None:
    gap = logit(even()) - logit(even(base_default_rate=0.3))
    assert gap.std() < 1e-3


def test_missingness_scales_and_depends_on_bank_and_size_but_does_not_touch_the_rest() -> None:
    complete, gappy, worse = (loans(missing=scale) for scale in (0.0, 1.0, 2.0))
    optional = ["margin", "electricity_trend", "turnover_growth", "tax_on_time", "purpose"]
    application = complete.columns.drop(["default_date", "recovered_amount"])
    assert complete[application].notna().all(axis=None)
    assert gappy[optional].isna().mean().between(0.01, 0.3).all()
    ratio = worse[optional].isna().mean() / gappy[optional].isna().mean()
    assert ratio.between(1.6, 2.1).all()
    pd.testing.assert_frame_equal(complete[RISK], gappy[RISK])
    pd.testing.assert_frame_equal(
        gappy[optional].dropna(), complete.loc[gappy[optional].dropna().index, optional]
    )

    lacking = gappy["margin"].isna()
    size = pd.qcut(complete["employees"].rank(method="first"), 3, labels=False)
    by_size = lacking.groupby(size).mean()
    assert by_size[0] > 1.5 * by_size[1] > 1.5 * by_size[2]
    by_bank = lacking.groupby(gappy["institution"]).mean()
    assert by_bank.max() > 1.8 * by_bank.min()
    assert complete.loc[lacking, "margin"].mean() < complete.loc[~lacking, "margin"].mean()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
def test_shared_firms(share: float) -> None:
    frame = loans(num_loans=12_000, shared_firms=share)
    banks = frame.groupby("firm_id")["institution"].nunique()
    assert (banks > 1).mean() == pytest.approx(share, abs=1e-3)
    assert banks.max() == (2 if share else 1)


def test_one_bank_shares_no_firms() -> None:
    frame = loans(num_loans=500, num_institutions=1, shared_firms=0.5)
    assert set(frame["institution"]) == {"Bank A"}


# --- engineered fields --------------------------------------------------------------------------


def test_engineered_fields_are_what_they_say_and_missing_where_they_make_no_sense() -> None:
    frame = pd.DataFrame({
        "turnover": [1000.0, 0.0, np.nan, 1.0],
        "employees": [1.0, 0.0, 4.0, 5.0],
        "requested_amount": [500.0, 200.0, 100.0, 1000.0],
        "electricity": [np.e, 0.0, np.nan, 1.0],
        "existing_debt": [250.0, 10.0, 10.0, np.nan],
        "collateral_value": [0.0, 100.0, np.nan, 500.0],
        "arrears_days": [0.0, 9.0, np.nan, 99.0],
    })  # fmt: skip
    made = derive(frame)
    assert list(frame.columns) == list(made.columns[: len(frame.columns)])
    expected = {
        "log_turnover": [np.log(1000), np.nan, np.nan, 0.0],
        "log_employees": [0.0, np.nan, np.log(4), np.log(5)],
        "log_electricity": [1.0, np.nan, np.nan, 0.0],
        "log_arrears_days": [0.0, np.log(10), np.nan, np.log(100)],
        "amount_to_turnover": [0.5, np.nan, np.nan, 10.0],
        "debt_to_turnover": [0.25, np.nan, np.nan, np.nan],
        "collateral_coverage": [0.0, 0.5, np.nan, 0.5],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(made[name], values, err_msg=name)


def test_engineered_fields_need_their_operands() -> None:
    with pytest.raises(DataError, match="lack turnover, arrears_days"):
        derive(loans().drop(columns=["turnover", "arrears_days"]))


# --- wrong knobs --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"num_loans": 0}, "data.generator.num_loans is 0"),
        ({"shared_firms": 1.2}, "data.generator.shared_firms is 1.2; choose a value from 0 to 1"),
        ({"noise": -0.1}, "data.generator.noise"),
        ({"drift": float("nan")}, "data.generator.drift"),
        ({"break_from": "2021-13"}, "data.generator.break_from"),
        ({"base_default_rate": 0.0}, "data.generator.base_default_rate"),
        ({"first_month": "2015-13"}, "data.generator.first_month is '2015-13'"),
        ({"first_month": "2024-02"}, "swap them"),
        ({"num_loans": 5}, "fewer banks"),
    ],
)
def test_knobs_that_make_no_sense_are_refused_by_name(knobs: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words.replace(".", r"\.")):
        generate(packaged(**knobs))
