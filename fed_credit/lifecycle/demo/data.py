"""The demo's loans: built-in ones, in the file of a consortium, as they were known on a day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from fed_credit.config.load import compose
from fed_credit.data.synthetic import generate
from fed_credit.data.target import add_months
from fed_credit.deploy.demo.loans import schema_text
from fed_credit.files import replacing, write_text

FIRST_DAY = np.datetime64("2018-12-31", "D")
"""Of the first model."""
BREAK = "2021-01"
SECOND_DAY = np.datetime64("2022-12-31", "D")
"""When applicants have been other ones for two years, and there are labels of the first of them."""
WINDOW = 12
_LATE = ("recovered_amount", "max_days_past_due", "interest_rate")
_AFTER = ("default_date", "approved_amount")


@dataclass(frozen=True)
class DemoData:
    """The demo's loans, and where what is known of them lies.

    Parameters
    ----------
    frame : pandas.DataFrame
        All records, also those to come.
    folder : Path
        Holds ``loans.parquet``, and the schema.
    """

    frame: pd.DataFrame
    folder: Path

    @property
    def loans(self) -> Path:
        """The table of loans."""
        return self.folder / "loans.parquet"

    @property
    def schema(self) -> Path:
        """The schema file."""
        return self.folder / "schema.yaml"

    @classmethod
    def make(cls, folder: Path, loans: int, seed: int) -> DemoData:
        """Generate the records and write the schema.

        Parameters
        ----------
        folder : Path
            Where files go.
        loans : int
            From 2017 to 2022, at three banks.
        seed : int
            Of the records.
        """
        generator = replace(
            compose(["run_dir=demo"]).data.generator,
            num_loans=loans,
            num_institutions=3,
            seed=seed,
            first_month="2017-01",
            last_month=str(SECOND_DAY.astype("datetime64[M]")),
            credit_cycle=0.0,
            drift=0.0,
            break_from=BREAK,
            base_default_rate=0.25,
            break_population=1.0,
            break_concept=1.2,
        )
        frame = generate(generator).drop(columns=["true_pd", *_LATE])
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "schema.yaml", _schema())
        return cls(frame, folder)

    def write(self, day: np.datetime64) -> int:
        """Write what is known on a day: loans decided by then, and defaults that have happened.

        Returns
        -------
        int
            How many loans.
        """
        at = pd.Timestamp(str(day))
        known = self.frame[self.frame["application_date"] <= at].copy()
        known.loc[known["default_date"] > at, "default_date"] = pd.NaT
        with replacing(self.loans) as temporary:
            known.to_parquet(temporary, index=False)
        return len(known)

    def applications(self, last: np.datetime64, months: int) -> pd.DataFrame:
        """Return the applications of the months up to a day, without what came of them."""
        first = add_months(np.array([last + 1]), -months)[0] - 1
        date = self.frame["application_date"].to_numpy().astype("datetime64[D]")
        chosen = (date > first) & (date <= last)
        found: pd.DataFrame = self.frame[chosen].drop(columns=list(_AFTER))
        return found.reset_index(drop=True)


def _schema() -> str:
    import yaml

    body = yaml.safe_load(schema_text())
    for name in _LATE:
        del body["fields"][name]
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True)
