"""The demo's three banks: built-in loans, which each bank keeps in its own way.

One has a CSV file with the spelling of a German spreadsheet, one a Parquet file, one a SQLite
database with Chinese columns. The mappings of their ``bank.yaml`` lead all three to one schema.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from fed_credit.config.load import compose
from fed_credit.config.location import schema_dir
from fed_credit.data.synthetic import generate
from fed_credit.files import replacing

SCHEMA = "demo_loans"
SCHEMA_FILE = "schema.yaml"  # as kits name it
_INSTITUTION = "institution"
# What a bank does not hold: whose loan it is, and what only the generator knows.
_NOT_HELD = (_INSTITUTION, "true_pd")
_DATES = ("application_date", "default_date")

_SPREADSHEET = {
    "loan_id": "KreditNr",
    "firm_id": "FirmenNr",
    "application_date": "Antragsdatum",
    "sector": "Branche",
    "turnover": "Umsatz_TEUR",
    "requested_amount": "Betrag_beantragt",
    "guarantee": "Buergschaft",
    "default_date": "Ausfalldatum",
}
_WAREHOUSE = {
    "loan_id": "contract_key",
    "firm_id": "customer_key",
    "application_date": "applied_on",
    "employees": "headcount",
    "existing_debt": "debt_outstanding",
    "default_date": "first_default_on",
}
_CORE_BANKING = {
    "loan_id": "贷款编号",
    "firm_id": "企业编号",
    "application_date": "申请日期",
    "sector": "行业",
    "region": "地区",
    "turnover": "年营业收入_万元",
    "requested_amount": "申请金额_万元",
    "approved_amount": "批准金额_万元",
    "guarantee": "第三方担保",
    "default_date": "违约日期",
}
_SECTORS = {"agriculture": "农业", "manufacturing": "制造业", "retail": "零售业"}


@dataclass(frozen=True)
class DemoBank:
    """One bank of the demo.

    Parameters
    ----------
    name : str
        The bank.
    data : mapping of str to object
        What its ``bank.yaml`` says about its loans: ``schema``, ``source`` and ``mapping``; paths
        are relative to the bank's folder.
    write : callable
        Takes the bank's records and its folder, and writes them there as the bank keeps them.
    """

    name: str
    data: Mapping[str, Any]
    write: Callable[[pd.DataFrame, Path], None]


def schema_text() -> str:
    """Return the banks' common schema: that of the built-in loans, without their true PD.

    Returns
    -------
    str
        YAML.
    """
    path = schema_dir() / "synthetic.yaml"
    body = yaml.safe_load(path.read_text(encoding="utf-8"))
    body["name"] = SCHEMA
    del body["roles"]["true_pd"], body["fields"]["true_pd"]
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True)


def records(num_loans: int, banks: int) -> list[pd.DataFrame]:
    """Return the records of each bank, the largest first, under the schema's names.

    Parameters
    ----------
    num_loans : int
        Of all banks.
    banks : int
        How many.

    Returns
    -------
    list of pandas.DataFrame
        Without the institution and what no bank can know.
    """
    generator = replace(compose([]).data.generator, num_loans=num_loans, num_institutions=banks)
    frame = generate(generator)
    sizes = frame[_INSTITUTION].value_counts()
    return [
        frame[frame[_INSTITUTION] == name].drop(columns=list(_NOT_HELD)).reset_index(drop=True)
        for name in sizes.index
    ]


def _spreadsheet(frame: pd.DataFrame, folder: Path) -> None:
    for name in _DATES:
        frame[name] = frame[name].dt.strftime("%d.%m.%Y")
    frame["turnover"] = frame["turnover"] / 1000.0
    frame["guarantee"] = frame["guarantee"].map({"Y": "ja", "N": "nein"})
    with replacing(folder / "kredite.csv") as temporary:
        frame.rename(columns=_SPREADSHEET).to_csv(temporary, index=False, sep=";", decimal=",")


def _warehouse(frame: pd.DataFrame, folder: Path) -> None:
    with replacing(folder / "loans.parquet") as temporary:
        frame.rename(columns=_WAREHOUSE).to_parquet(temporary, index=False)


def _core_banking(frame: pd.DataFrame, folder: Path) -> None:
    for name in _DATES:
        frame[name] = frame[name].dt.strftime("%Y%m%d")
    for name in ("turnover", "requested_amount", "approved_amount"):
        frame[name] = frame[name] / 10000.0
    frame["sector"] = frame["sector"].astype("str").replace(_SECTORS)
    frame["guarantee"] = frame["guarantee"].map({"Y": "是", "N": "否"})
    with replacing(folder / "core.db") as temporary:
        connection = sqlite3.connect(temporary)
        try:
            frame.rename(columns=_CORE_BANKING).to_sql("贷款", connection, index=False)
            connection.commit()
        finally:
            connection.close()


def _mapped(
    columns: Mapping[str, str],
    *,
    values: Mapping[str, Mapping[str, str]] | None = None,
    units: Mapping[str, float] | None = None,
    dates: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    return {
        "columns": {own: field for field, own in columns.items()},
        "values": dict(values or {}),
        "units": dict(units or {}),
        "dates": dict(dates or {}),
    }


BANKS = (
    DemoBank(
        "Riverside Bank",
        {
            "schema": SCHEMA_FILE,
            "source": {
                "path": "kredite.csv",
                "csv": {"delimiter": "semicolon", "encoding": "utf-8", "decimal": ","},
            },
            "mapping": _mapped(
                _SPREADSHEET,
                values={"guarantee": {"ja": "Y", "nein": "N"}},
                units={"turnover": 1000.0},
                dates=dict.fromkeys(_DATES, "%d.%m.%Y"),
            ),
        },
        _spreadsheet,
    ),
    DemoBank(
        "Harbour Savings",
        {
            "schema": SCHEMA_FILE,
            "source": {"path": "loans.parquet"},
            "mapping": _mapped(_WAREHOUSE),
        },
        _warehouse,
    ),
    DemoBank(
        "城市商业银行",
        {
            "schema": SCHEMA_FILE,
            "source": {"url": "sqlite:///core.db", "query": 'SELECT * FROM "贷款"'},
            "mapping": _mapped(
                _CORE_BANKING,
                values={
                    "sector": {own: sector for sector, own in _SECTORS.items()},
                    "guarantee": {"是": "Y", "否": "N"},
                },
                units=dict.fromkeys(("turnover", "requested_amount", "approved_amount"), 10000.0),
                dates=dict.fromkeys(_DATES, "%Y%m%d"),
            ),
        },
        _core_banking,
    ),
)
