"""A table becomes a file: every row once, in order, the same bytes however it is read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from fed_credit.config.score import load_table
from fed_credit.data.synthetic import generate
from fed_credit.decision.policy import VERDICTS
from fed_credit.errors import ConfigurationError, DataError
from fed_credit.model_file.contents import ModelFile
from fed_credit.scoring.batch import Places, score_file
from fed_credit.scoring.options import BatchOptions
from fed_credit.scoring.scorer import Explain, Scorer
from fed_credit.scoring.source import LoanSource
from fed_credit.scoring.summary import Summary

Models = Callable[[str, str], ModelFile]
ABOUT = {"sha256": "0" * 64, "family": "any", "version": 3}
BOTH = ("en", "zh")
ROWS = 700


@pytest.fixture(scope="module")
def loans(make_spec: Callable[..., Any]) -> pd.DataFrame:
    """Loans of the generator, of which every tenth or so has something wrong with it."""
    spec = make_spec("data=synthetic", f"data.generator.num_loans={ROWS}")
    frame = generate(spec.data.generator)
    for name in frame.columns:
        if isinstance(frame[name].dtype, pd.CategoricalDtype):
            frame[name] = frame[name].astype("str")
    rng = np.random.default_rng(4)
    frame.loc[rng.random(ROWS) < 0.04, "requested_term"] = 99.0
    frame.loc[rng.random(ROWS) < 0.04, "requested_amount"] = np.nan
    frame.loc[rng.random(ROWS) < 0.04, "turnover"] = -1.0
    frame.loc[rng.random(ROWS) < 0.04, "guarantee"] = "perhaps"
    return frame


@pytest.fixture
def folder(tmp_path: Path, loans: pd.DataFrame) -> Path:
    loans.to_parquet(tmp_path / "loans.parquet", row_group_size=250)
    loans.to_csv(tmp_path / "loans.csv", index=False)
    return tmp_path


def scored(
    scorer: Scorer,
    loans: Path,
    out: Path,
    *,
    keep: Sequence[str] | None = (),
    config: Path | None = None,
    **options: Any,
) -> Summary:
    usual: dict[str, Any] = {
        "explain": Explain.DECLINED, "languages": BOTH, "top": 3, "chunk_rows": 300, "jobs": 2,
    }  # fmt: skip
    place, mapping = load_table(config, None if config and "url" in config.name else str(loans))
    source = LoanSource(place, mapping, scorer, keep)
    return score_file(
        scorer, source, Places.beside(out), BatchOptions(**{**usual, **options}), ABOUT
    )


@pytest.mark.parametrize("family", ["scorecard", "logreg_exact", "gbdt", "mlp_small"])
def test_a_file_holds_what_the_scorer_gives_for_the_table(
    model_of: Models, folder: Path, loans: pd.DataFrame, family: str
) -> None:
    scorer = Scorer(model_of(family, "synthetic"))
    out = folder / "scored.parquet"
    total = scored(scorer, folder / "loans.parquet", out)
    expected = scorer.table(loans[list(scorer.inputs)])
    made = pq.read_table(out).to_pandas()
    policy = scorer.model.policy
    assert made["row"].tolist() == (expected.rows + 1).tolist()
    assert made["loan_id"].tolist() == loans["loan_id"].iloc[expected.rows].tolist()
    assert made["pd"].to_numpy().tobytes() == expected.scores.pd.tobytes()
    assert made["score"].tolist() == expected.scores.score.tolist()
    assert made["grade"].tolist() == [policy.scale.names[k] for k in expected.scores.grade]
    assert made["decision"].tolist() == [str(VERDICTS[k]) for k in expected.scores.verdict]
    told = 0
    for number, reasons in enumerate(expected.reasons):
        row = made.iloc[number]
        for place in range(3):
            one = reasons[place] if place < len(reasons) else None
            said = tuple(row[f"reason_{place + 1}_{language}"] for language in BOTH)
            if one is None:
                assert pd.isna(said[0]) and pd.isna(said[1])
            else:
                assert said == (one.en, one.zh)
                told += 1
    assert told > 100
    rejected = pd.read_csv(folder / "scored.rejected.csv", dtype=str, keep_default_na=False)
    listed = expected.rejected.astype({"row": str}).astype("str")
    assert rejected.to_numpy().tolist() == listed.to_numpy().tolist()
    hidden = rejected[rejected["field"] == "turnover"]
    assert len(hidden) and set(hidden["value"]) == {""}
    assert set(rejected[rejected["field"] == "guarantee"]["value"]) == {"perhaps"}
    assert (total.rows, total.scored) == (ROWS, len(made))
    assert total.rejected == expected.rejected["row"].nunique() == ROWS - len(made) > 50


def test_the_bytes_do_not_depend_on_chunks_and_threads(model_of: Models, folder: Path) -> None:
    scorer = Scorer(model_of("gbdt", "synthetic"))
    first: dict[str, bytes] = {}
    for chunk_rows, jobs, suffix in (
        (100_000, 1, "parquet"), (97, 2, "parquet"), (300, 1, "parquet"),
        (100_000, 1, "csv"), (61, 4, "csv"),
    ):  # fmt: skip
        out = folder / f"scored.{suffix}"
        scored(scorer, folder / "loans.parquet", out, keep=None, chunk_rows=chunk_rows, jobs=jobs)
        for path in (out, folder / "scored.rejected.csv", folder / "scored.summary.json"):
            assert first.setdefault(path.name, path.read_bytes()) == path.read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == [
        "loans.csv", "loans.parquet", "scored.csv", "scored.parquet", "scored.rejected.csv",
        "scored.summary.json",
    ]  # fmt: skip


def test_every_kind_of_source_gives_the_same(
    model_of: Models, folder: Path, loans: pd.DataFrame
) -> None:
    scorer = Scorer(model_of("logreg_exact", "synthetic"))
    scored(scorer, folder / "loans.parquet", folder / "a.csv")
    expected = (folder / "a.csv").read_bytes()
    scored(scorer, folder / "loans.csv", folder / "b.csv")
    own = loans.assign(
        sector=loans["sector"].replace({"retail": "零售业"}),
        requested_amount=loans["requested_amount"] / 8192,
    ).rename(columns={"firm_age": "经营时长"})
    for name in own.select_dtypes("float64"):
        own[name] = [str(cell).replace(".", ",") if cell == cell else "" for cell in own[name]]
    own.to_csv(folder / "own.csv", index=False, sep=";", encoding="gb18030")
    config = folder / "own.yaml"
    config.write_text(
        'csv: {decimal: ","}\nmapping:\n  columns: {经营时长: firm_age}\n'
        "  values: {sector: {零售业: retail}}\n  units: {requested_amount: 8192}\n",
        encoding="utf-8",
    )
    scored(scorer, folder / "own.csv", folder / "c.csv", config=config)
    with sqlite3.connect(folder / "loans.db") as connection:
        loans.to_sql("loans", connection, index=False)
    database = folder / "url.yaml"
    database.write_text(
        f"url: sqlite:///{folder / 'loans.db'}\nquery: SELECT * FROM loans ORDER BY rowid\n"
    )
    scored(scorer, folder / "none", folder / "d.csv", config=database)
    for name in ("b.csv", "c.csv", "d.csv"):
        assert (folder / name).read_bytes() == expected, name


def test_reasons_languages_and_kept_columns(
    model_of: Models, folder: Path, loans: pd.DataFrame
) -> None:
    scorer = Scorer(model_of("scorecard", "synthetic"))
    out = folder / "scored.parquet"

    def made(**options: Any) -> pd.DataFrame:
        scored(scorer, folder / "loans.parquet", out, **options)
        frame: pd.DataFrame = pq.read_table(out).to_pandas()
        return frame

    plain = ["row", "loan_id", "pd", "score", "grade", "decision"]
    assert list(made(explain=Explain.NONE)) == plain
    chinese = made(explain=Explain.ALL, languages=("zh",), top=2)
    assert list(chinese) == [*plain, "reason_1", "reason_2"]
    assert chinese["reason_1"].str.contains("分。").mean() > 0.9
    kept = made(explain=Explain.NONE, keep=["region", "application_date"])
    assert list(kept) == ["row", "loan_id", "region", "application_date", *plain[2:]]
    rows = kept["row"].to_numpy() - 1
    assert kept["region"].fillna("").tolist() == loans["region"].iloc[rows].fillna("").tolist()
    assert len(list(made(explain=Explain.NONE, keep=None))) == len(plain) + loans.shape[1] - 1
    body = json.loads((folder / "scored.summary.json").read_text())
    assert json.loads(pq.read_schema(out).metadata[b"fed_credit"]) == ABOUT == body["model"]
    assert sum(body["grades"].values()) == sum(body["decisions"].values()) == len(kept)
    assert body["mean_pd"] == pytest.approx(kept["pd"].mean(), abs=1e-11)
    assert body["approval_rate"] == (kept["decision"] == "approve").mean()


def test_more_reasons_than_features_leave_columns_empty(model_of: Models, folder: Path) -> None:
    scorer = Scorer(model_of("scorecard", "synthetic"))
    out = folder / "scored.parquet"
    scored(scorer, folder / "loans.parquet", out, explain=Explain.ALL, languages=("en",), top=90)
    made = pq.read_table(out).to_pandas()
    assert made["reason_1"].notna().mean() > 0.9 and made["reason_90"].isna().all()


def test_repeated_identifiers_are_scored_each(model_of: Models, folder: Path) -> None:
    scorer = Scorer(model_of("scorecard", "synthetic"))
    twice = (
        pd.read_parquet(folder / "loans.parquet")
        .iloc[[0, 1, 0, 0]]
        .assign(requested_term=12.0, requested_amount=1e5, turnover=1e6, guarantee="Y")
    )
    twice.loc[1, "loan_id"] = None
    twice.to_parquet(folder / "twice.parquet")
    total = scored(scorer, folder / "twice.parquet", folder / "scored.parquet")
    made = pq.read_table(folder / "scored.parquet").to_pandas()
    assert total.scored == 4 and made["row"].tolist() == [1, 2, 3, 4]
    assert made["loan_id"].isna().tolist() == [False, True, False, False]
    assert made["pd"].nunique() <= 2


def test_a_table_of_which_no_row_can_be_scored(model_of: Models, folder: Path) -> None:
    scorer = Scorer(model_of("scorecard", "synthetic"))
    bad = pd.read_parquet(folder / "loans.parquet").assign(requested_term=-1.0)
    bad.to_parquet(folder / "bad.parquet")
    total = scored(scorer, folder / "bad.parquet", folder / "scored.parquet")
    assert (total.rows, total.scored, total.rejected) == (ROWS, 0, ROWS)
    assert pq.read_table(folder / "scored.parquet").num_rows == 0
    body = json.loads((folder / "scored.summary.json").read_text())
    assert body["mean_pd"] is None and body["approval_rate"] is None
    assert body["reasons"]["requested_term is below the minimum 1"] == ROWS


def test_what_cannot_be_done_is_said_and_leaves_no_file(model_of: Models, folder: Path) -> None:
    scorer = Scorer(model_of("scorecard", "synthetic"))
    out = folder / "scored.parquet"
    before = sorted(folder.iterdir())
    with pytest.raises(ConfigurationError, match=r"does not have\. Did you mean 'region'\?"):
        scored(scorer, folder / "loans.parquet", out, keep=["regio"])
    frame = pd.read_parquet(folder / "loans.parquet")
    frame.rename(columns={"margin": "score"}).assign(margin=0.1).to_parquet(folder / "s.parquet")
    with pytest.raises(ConfigurationError, match=r"column 'score' .* has the name of a column"):
        scored(scorer, folder / "s.parquet", out, keep=["score"])
    (folder / "s.parquet").unlink()
    text = (folder / "loans.csv").read_text().splitlines()
    (folder / "cut.csv").write_text("\n".join([*text[:400], text[400][:9]]))
    with pytest.raises(DataError, match="line 401 has"):
        scored(scorer, folder / "cut.csv", out, chunk_rows=50)
    (folder / "cut.csv").unlink()
    with pytest.raises(ConfigurationError, match="--chunk-rows 0 cannot be used"):
        scored(scorer, folder / "loans.parquet", out, chunk_rows=0)
    with pytest.raises(ConfigurationError, match=r"end it in \.parquet or \.csv"):
        scored(scorer, folder / "loans.parquet", folder / "scored.txt")
    assert sorted(folder.iterdir()) == before
