"""Usual spellings in exports, English and Chinese: unknown, yes and no, good and bad, and roles."""

from __future__ import annotations

import re

# Lower case, as :func:`folded` returns them.
UNKNOWN = frozenset(
    {"na", "n/a", "n.a.", "#n/a", "nan", "null", "none", "nil", "\\n", "-", "--", "?", "unknown"}
    | {"missing", "未知", "无", "不详", "空", "暂无", "未填", "未填写", "缺失", "未提供", "不明"}
)
# Dates that stand for "none" or "not yet".
UNKNOWN_DATES = frozenset(
    {"0", "00000000", "0000-00-00", "19000101", "1900-01-01", "1900/1/1", "1900/01/01"}
    | {"99991231", "9999-12-31", "9999/12/31", "29991231", "2999-12-31"}
)
BOOLEANS = (
    ("1", "0"),
    ("y", "n"),
    ("yes", "no"),
    ("true", "false"),
    ("t", "f"),
    ("是", "否"),
    ("有", "无"),
    ("真", "假"),
)
BAD = frozenset(
    {"bad", "b", "default", "defaulted", "in default", "chgoff", "charged off", "charge off"}
    | {"charge-off", "charged-off", "written off", "write-off", "npl", "non-performing", "loss"}
    | {
        "delinquent",
        "违约",
        "已违约",
        "逾期",
        "不良",
        "坏",
        "坏客户",
        "坏账",
        "呆账",
        "核销",
        "已核销",
    }
    | {"次级", "可疑", "损失", "次级类", "可疑类", "损失类", "不良贷款"}
)
GOOD = frozenset(
    {"good", "g", "p i f", "pif", "paid", "paid in full", "fully paid", "repaid", "performing"}
    | {
        "non-default",
        "no default",
        "settled",
        "closed",
        "current",
        "正常",
        "正常类",
        "关注",
        "关注类",
    }
    | {
        "好",
        "好客户",
        "结清",
        "已结清",
        "正常结清",
        "未违约",
        "未逾期",
        "正常贷款",
        "还清",
        "已还清",
    }
)
# A yes of a column named like this is good news.
_GOOD_NAMES = re.compile(r"good|repaid|paid|perform|settled|正常|结清|还清|好", re.IGNORECASE)
_BAD_NAMES = re.compile(r"not|non|un|bad|default|不|非|未|逾期|违约", re.IGNORECASE)

STRIPPED = (
    ",",
    "，",
    "¥",
    "￥",
    "$",
    "€",
    "£",
    "%",
    "％",
    "人民币",
    "CNY",
    "RMB",
    "USD",
    "元",
    " ",
)
TEN_THOUSANDS = ("万元", "万")

# The first name that fits plays the role.
ROLE_NAMES: dict[str, tuple[str, ...]] = {
    "loan_id": (
        *("loan_id", "loanid", "loan_no", "loan_number", "loannr", "loannr_chkdgt", "loan_nr"),
        *("account_id", "account_no", "contract_id", "contract_no", "application_id"),
        *(
            "借据号",
            "借据编号",
            "贷款编号",
            "贷款号",
            "贷款账号",
            "合同号",
            "合同编号",
            "业务编号",
            "申请编号",
        ),
    ),
    "firm_id": (
        *("firm_id", "company_id", "borrower_id", "customer_id", "client_id", "uscc"),
        *(
            "统一社会信用代码",
            "社会信用代码",
            "信用代码",
            "纳税人识别号",
            "组织机构代码",
            "企业编号",
        ),
        *("客户号", "客户编号", "借款人编号"),
    ),
    "decision_date": (
        *("decision_date", "application_date", "approval_date", "approvaldate", "origination_date"),
        *("booking_date", "issue_date", "disbursement_date", "start_date"),
        *(
            "申请日期",
            "申请日",
            "审批日期",
            "批准日期",
            "放款日期",
            "发放日期",
            "贷款发放日期",
            "起息日",
        ),
        *("合同签订日期", "开户日期"),
    ),
    "event_date": (
        *("event_date", "default_date", "chargeoff_date", "charge_off_date", "chgoffdate"),
        *("违约日期", "首次逾期日期", "逾期日期", "不良日期", "核销日期"),
    ),
    "exposure": (
        *("exposure", "approved_amount", "loan_amount", "amount", "principal", "grappv"),
        *(
            "requested_amount",
            "credit_limit",
            "放款金额",
            "贷款金额",
            "批准金额",
            "审批金额",
            "合同金额",
        ),
        *("授信金额", "贷款本金", "申请金额", "授信额度"),
    ),
    "true_pd": ("true_pd",),
}

IDENTIFIER_NAMES = re.compile(
    r"(?:^|[_\s])(?:id|no|nr|uuid)$|[a-z](?:Id|ID|No)$|number$|编号|号码|账号|帐号|卡号|流水号|证件"
    r"|合同号|借据号|客户号|信用代码|识别号|^序号$|身份证"
)
PERSONAL_NAMES = re.compile(
    r"(?:^|_)name$|^name|phone|mobile|e-?mail|address|passport|姓名|名称|户名|借款人$|法人$|法定代表人"
    r"|电话|手机|邮箱|地址|住所|身份证",
    re.IGNORECASE,
)
CODE_NAMES = re.compile(
    r"code$|(?:^|_)(?:zip|naics|sic|type|class|category|kind)$|^(?:zip|naics|sic)"
    r"|代码|类别|类型|方式|行业|邮编|邮政编码|种类|分类",
    re.IGNORECASE,
)
BOOKING_NAMES = re.compile(
    r"approved|interest|(?:^|_)rate$|disburs|booked|granted|利率|批准|审批|授信|放款|发放|批复|合同",
    re.IGNORECASE,
)
OUTCOME_NAMES = re.compile(
    r"charge.?off|chgoff|default|overdue|past.?due|delinq|recover|collection|arrears|write.?off"
    r"|逾期|违约|核销|不良|欠|回收|催收|诉讼|五级分类|代偿|展期|结清|余额|还款状态",
    re.IGNORECASE,
)


def folded(text: str) -> str:
    """Return a spelling as it is compared: trimmed, lower case, ``1.0`` as ``1``."""
    plain = " ".join(text.split()).lower()
    return plain[:-2] if re.fullmatch(r"[+-]?\d+\.0", plain) else plain


def outcomes(name: str, values: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Guess which spellings of a target mean good and which mean bad.

    Yes, true and 1 are taken for bad, unless the column's name says good, as ``repaid`` does.

    Parameters
    ----------
    name : str
        Name of the column.
    values : list of str
        Its distinct values.

    Returns
    -------
    good, bad : tuple of str
        What was recognised; either may be empty.
    """
    turned = bool(_GOOD_NAMES.search(name)) and not _BAD_NAMES.search(name)
    good: list[str] = []
    bad: list[str] = []
    for value in values:
        word = folded(value)
        if word in BAD or word in GOOD:
            (bad if word in BAD else good).append(value)
        elif any(word == yes for yes, _ in BOOLEANS):
            (good if turned else bad).append(value)
        elif any(word == no for _, no in BOOLEANS):
            (bad if turned else good).append(value)
    return tuple(good), tuple(bad)


def named_for(role: str, columns: list[str]) -> list[str]:
    """Return the columns whose names say that they play a role, the likeliest first."""
    known = {_key(name): place for place, name in enumerate(ROLE_NAMES[role])}
    found = [column for column in columns if _key(column) in known]
    return sorted(found, key=lambda column: known[_key(column)])


def _key(name: str) -> str:
    """Compare names without case, separators, and what brackets add: ``贷款金额（万元）``."""
    bare = re.sub(r"[（(\[【].*?[)）\]】]", "", name)
    return re.sub(r"[\s_\-.]+", "", bare).lower()


def unit_of(name: str) -> str:
    """Return the unit that a column's name gives in brackets, or nothing."""
    found = re.search(r"[（(\[【]([^)）\]】]{1,12})[)）\]】]\s*$", name)
    return found.group(1).strip() if found else ""


def humanised(name: str) -> str:
    """Return a column's name in words: ``LoanNr_ChkDgt`` as ``Loan nr chk dgt``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\s]+", " ", name).strip()
    words = " ".join(word if word.isupper() else word.lower() for word in words.split())
    return words[:1].upper() + words[1:]


def is_chinese(name: str) -> bool:
    """Tell whether a name holds Chinese characters."""
    return any("\u4e00" <= letter <= "\u9fff" for letter in name)
