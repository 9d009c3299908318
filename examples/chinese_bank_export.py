"""Write a table that looks like an export from the core banking systems of a few Chinese banks.

    python examples/chinese_bank_export.py loans.csv

The file is GB18030, has Chinese headers, amounts in 万元, dates as 20240131, some rows that are no
loans, one bank that exports a column in another unit, and columns that were filled in after the
loan went bad. The same arguments give the same bytes. docs/bring-your-own-data.md walks through it.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

BANKS = {
    "江城农商行": 0.32,
    "东湖银行": 0.24,
    "江北村镇银行": 0.18,
    "南岸城商行": 0.15,
    "楚天民营银行": 0.11,
}
OTHER_UNIT = "楚天民营银行"  # exports 年营业收入 in yuan
SECTORS = ["批发零售", "制造业", "建筑业", "住宿餐饮", "交通运输", "农林牧渔", "居民服务"]
SECTOR_ODDS = np.array([0.0, -0.1, 0.35, 0.45, 0.2, 0.05, -0.2])
GUARANTEES = ["信用", "保证", "抵押", "质押"]
GUARANTEE_ODDS = np.array([0.35, 0.1, -0.4, -0.5])
HEADER = [
    "借据号",
    "统一社会信用代码",
    "企业名称",
    "机构",
    "申请日期",
    "行业",
    "成立日期",
    "员工人数",
    "年营业收入（万元）",
    "资产负债率",
    "纳税信用等级",
    "征信查询次数",
    "是否首贷",
    "担保方式",
    "申请金额（万元）",
    "申请期限",
    "执行利率",
    "放款日期",
    "逾期天数",
    "核销日期",
    "备注",
    "贷款状态",
]
_ALPHABET = np.array(list("0123456789ABCDEFGHJKLMNPQRTUWXY"))
_DAY = np.timedelta64(1, "D")


def rows(num_loans: int, seed: int, *, one_unit: bool = False) -> list[list[str]]:
    """Make the export's rows.

    Parameters
    ----------
    num_loans : int
        Loans; a few rows that are none come on top.
    seed : int
        Seed of everything drawn.
    one_unit : bool
        Whether all banks export amounts in one unit.

    Returns
    -------
    list of list of str
        Cells in the order of :data:`HEADER`, the last row a total.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 0xC81]))
    n = num_loans
    bank = rng.choice(len(BANKS), n, p=list(BANKS.values()))
    applied = np.datetime64("2018-01-01") + rng.integers(0, 6 * 365, n) * _DAY
    age = np.floor(rng.gamma(2.0, 1300.0, n)) + 180
    sector = rng.choice(len(SECTORS), n, p=[0.3, 0.2, 0.1, 0.14, 0.1, 0.08, 0.08])
    staff = np.maximum(1, np.floor(np.exp(rng.normal(2.1, 0.9, n))))
    turnover = np.round(np.exp(rng.normal(5.6, 1.0, n) + 0.3 * np.log(staff)), 2)
    debt = np.clip(rng.normal(48.0, 18.0, n), 2.0, 140.0)
    grade = rng.choice(5, n, p=[0.3, 0.35, 0.15, 0.12, 0.08])
    inquiries = rng.poisson(3.0 + 0.02 * debt)
    first = rng.random(n) < 0.35
    guarantee = rng.choice(4, n, p=[0.35, 0.3, 0.28, 0.07])
    amount = np.maximum(1, np.round(turnover * np.exp(rng.normal(-1.4, 0.6, n))))
    term = rng.choice([6, 12, 24, 36], n, p=[0.15, 0.5, 0.2, 0.15])
    log_odds = (
        -2.75
        + SECTOR_ODDS[sector]
        + GUARANTEE_ODDS[guarantee]
        - 0.35 * (np.log(turnover) - 6.2)
        + 0.030 * (debt - 48.0)
        + np.array([-0.4, 0.0, 0.2, 0.5, 0.8])[grade]
        + 0.16 * (inquiries - 4.0)
        + 0.3 * first
        - 0.25 * np.log(age / 2000.0)
        + np.array([-0.2, 0.0, 0.35, 0.1, 0.25])[bank]
        + rng.normal(0.0, 0.3, n)
    )
    bad = rng.random(n) < 1.0 / (1.0 + np.exp(-log_odds))
    rate = np.round(np.clip(4.2 + 0.35 * log_odds + rng.normal(1.5, 0.6, n), 3.0, 12.0), 2)
    booked = applied + rng.integers(3, 25, n) * _DAY
    # Good loans are at times a few days late as well; bad ones are what more than 90 days means.
    late = np.where(bad, rng.integers(91, 900, n), np.maximum(0, rng.integers(-60, 31, n)))
    written_off = booked + (late + rng.integers(120, 400, n)) * _DAY
    gone = bad & (written_off < np.datetime64("2025-01-01"))
    running = ~bad & (applied > np.datetime64("2023-06-01")) & (rng.random(n) < 0.5)
    firms = max(1, int(0.85 * n))
    code = _ALPHABET[rng.integers(0, len(_ALPHABET), (firms, 14))]
    codes = ["9142" + "".join(letters) for letters in code]
    firm = rng.integers(0, firms, n)
    unit = np.where(np.array(list(BANKS))[bank] == OTHER_UNIT, 1 if one_unit else 10_000, 1)
    gaps = {key: rng.random(n) < share for key, share in {"debt": 0.08, "grade": 0.1}.items()}
    staff_text = np.where(rng.random(n) < 0.04, 9999, staff).astype(int)
    notes = ["", "", "", "客户经理已面访", "资料已补齐", "续贷"]
    note = rng.choice(len(notes), n)
    made = [
        [
            f"JJ{seed:02d}{k:08d}",
            codes[firm[k]],
            f"武汉{codes[firm[k]][4:8]}商贸有限公司",
            list(BANKS)[bank[k]],
            _day(applied[k]),
            SECTORS[sector[k]],
            _day(applied[k] - int(age[k]) * _DAY),
            str(staff_text[k]),
            f"{turnover[k] * unit[k]:,.2f}",
            "" if gaps["debt"][k] else f"{debt[k]:.1f}%",
            "未知" if gaps["grade"][k] else "ABCDM"[grade[k]],
            str(inquiries[k]),
            "是" if first[k] else "否",
            GUARANTEES[guarantee[k]],
            f"{amount[k]:,.0f}",
            str(term[k]),
            f"{rate[k]:.2f}%",
            _day(booked[k]),
            str(late[k]),
            _day(written_off[k]) if gone[k] else "",
            notes[note[k]],
            "在贷" if running[k] else "不良" if bad[k] else "结清",
        ]
        for k in range(n)
    ]
    # What exports also hold: a row sent twice, a slipped cell, and totals.
    for k in range(0, n, max(1, n // 8)):
        made.append(list(made[k]))
    made[n // 3][HEADER.index("征信查询次数")] = "详见附件"
    total = [""] * len(HEADER)
    total[0], total[HEADER.index("申请金额（万元）")] = "合计", f"{amount.sum():,.0f}"
    return [*made, total]


def _day(day: np.datetime64) -> str:
    return str(day).replace("-", "")


def write(path: Path, num_loans: int = 12_000, seed: int = 7, *, one_unit: bool = False) -> None:
    """Write the export.

    Parameters
    ----------
    path : Path
        File to write.
    num_loans : int
        Loans.
    seed : int
        Seed of everything drawn.
    one_unit : bool
        Whether all banks export amounts in one unit.
    """
    with path.open("w", encoding="gb18030", newline="") as file:
        out = csv.writer(file)
        out.writerow(HEADER)
        out.writerows(rows(num_loans, seed, one_unit=one_unit))


def main() -> None:
    """Write the file named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--num-loans", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--one-unit", action="store_true", help="as after the bank mended its export"
    )
    given = parser.parse_args()
    write(given.path, given.num_loans, given.seed, one_unit=given.one_unit)
    print(f"{given.path}: {given.num_loans:,} loans of {len(BANKS)} banks")


if __name__ == "__main__":
    main()
