"""Sections of the model card on the loans that a model was trained on, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fed_credit.data.schema import Schema
from fed_credit.model_file.card_parts import (
    NONE,
    CardSection,
    Words,
    both,
    count,
    listed,
    percent,
    section,
    spelled,
    table,
)
from fed_credit.model_file.contents import ModelFile
from fed_credit.model_file.provenance import BANK, DEPLOYMENT, SIMULATION

POINTS = {
    "application": both("at the application", "申请时"),
    "booking": both("when the loan is booked", "放款时"),
}
"""When a field is known, or a model decides."""

_KINDS = {
    "numeric": both("number", "数值"),
    "boolean": both("yes or no", "是否"),
    "categorical": both("category", "类别"),
}
_PARTS: Mapping[str, Words] = {
    "train": both("training", "训练"),
    "validation": both("validation", "验证"),
    "test": both("test", "测试"),
    "set_aside": both("set aside", "搁置"),
}
_EXCLUDED: Mapping[str, Words] = {
    "rejected": both("rejected: does not hold to the schema", "剔除：不符合数据字典"),
    "unlabelled": both("no known outcome", "结果未知"),
    "immature": both("not observed for the whole window", "观察期不足"),
    "out_of_scope": both("decided before the population begins", "早于样本起始日"),
    "left_out": both("of institutions left out", "所属机构未参与"),
}


def data_sections(model: ModelFile) -> Iterator[CardSection]:
    """Yield the sections on data, target, population, features and training."""
    origin = model.provenance
    yield _data(origin)
    yield _target(origin)
    yield _population(origin)
    yield _features(model.schema, origin)
    yield _training(origin)


def bad_words(origin: Mapping[str, Any]) -> Words:
    """Say what counts as bad."""
    target = origin.get("target", {})
    if "window_months" not in target:
        return both("what counts as bad is not in this file", "违约定义不在本文件中")
    window = target["window_months"]
    if window is None:
        return both("a loan is bad by its final status", "以最终状态判定违约")
    return both(
        f"a loan is bad if its event falls within {window} months of the decision",
        f"审批后 {window} 个月内发生违约事件即为坏",
    )


def _data(origin: Mapping[str, Any]) -> CardSection:
    data, banks = origin.get("data", {}), origin.get("institutions", {})
    kind = origin.get("run", {}).get("kind")
    number, used, bads = banks.get("number"), data.get("used"), data.get("bads")
    rate = percent(bads / used) if used and bads is not None else NONE
    first, last = data.get("first_month"), data.get("last_month")
    when = (
        both(f", decided {first} to {last}", f"，审批时间 {first} 至 {last}")
        if first
        else both("", "")
    )
    paragraphs: list[Words | None] = []
    if kind == DEPLOYMENT:
        paragraphs.append(
            both(
                f"Loans of {count(number)} banks, each read on the bank's own machine; how many"
                " each holds is not in this file.",
                f"{count(number)} 家银行的贷款，均在各行自有机器上读取；各行笔数不在本文件中。",
            )
        )
    elif used is not None:
        whose_en = "of this bank" if kind == BANK else f"of {count(number)} institutions"
        whose_zh = "本行" if kind == BANK else f"{count(number)} 家机构的"
        paragraphs.append(
            both(
                f"{count(used)} labelled loans {whose_en}{when['en']}; {count(bads)} of them bad"
                f" ({rate}).",
                f"{whose_zh}已知结果的贷款 {count(used)} 笔{when['zh']}；"
                f"其中坏账 {count(bads)} 笔（{rate}）。",
            )
        )
    if data.get("source") == "synthetic":
        paragraphs.append(
            both(
                "The loans are made by the built-in generator: nobody owes them, and no figure here"
                " holds for a real portfolio.",
                "贷款由内置生成器产生，并非真实债务；此处数字不适用于任何真实组合。",
            )
        )
    if data.get("fingerprint"):
        paragraphs.append(
            both(
                f"Fingerprint of the loans as used: {data['fingerprint']}.",
                f"所用数据指纹：{data['fingerprint']}。",
            )
        )
    rows = [(label, count(data[key])) for key, label in _PARTS.items() if key in data]
    return section(
        "data",
        both("Data", "数据"),
        paragraphs,
        table=table([both("Part", "部分"), both("Loans", "笔数")], rows),
    )


def _target(origin: Mapping[str, Any]) -> CardSection:
    bad, as_of = bad_words(origin), origin.get("as_of")
    final = origin.get("target", {}).get("window_months", 0) is None
    return section(
        "target",
        both("Target", "目标变量"),
        [
            both(f"{bad['en'][:1].upper()}{bad['en'][1:]}.", f"{bad['zh']}。"),
            both(
                "Loans that were not observed for the whole window count as neither good nor bad.",
                "未被完整观察满期的贷款既不算好，也不算坏。",
            )
            if not final
            else both(
                "There is no window: young loans that are still being repaid are not told apart"
                " from old ones, so default rates of vintages do not compare.",
                "未设观察期：仍在还款的新贷款与旧贷款无从区分，各批次违约率不可比。",
            ),
            both(f"Outcomes are those known on {as_of}.", f"结果观察截止日：{as_of}。")
            if as_of
            else None,
        ],
    )


def _population(origin: Mapping[str, Any]) -> CardSection:
    data = origin.get("data", {})
    since = origin.get("target", {}).get("approved_from")
    rows = [
        (label, count(data[key])) for key, label in _EXCLUDED.items() if data.get(key) is not None
    ]
    return section(
        "population",
        both("Population and exclusions", "样本范围与剔除"),
        [
            both(
                "Approved loans with a known outcome"
                + (f", decided on {since} or later." if since else "."),
                "已批准且结果已知的贷款" + (f"，审批日不早于 {since}。" if since else "。"),
            ),
            both(
                "Applications that were declined, or that the customer withdrew, are not in it.",
                "被拒绝或客户撤回的申请不在样本之内。",
            ),
        ],
        table=table([both("Left out", "剔除原因"), both("Rows", "行数")], rows),
    )


def _features(schema: Schema, origin: Mapping[str, Any]) -> CardSection:
    features = origin.get("features", ())
    late = list(origin.get("late_fields", ()))
    title = both("Features", "特征")
    if not features:
        return section(
            "features", title, [both("They are not in this file.", "本文件中没有此项。")]
        )
    yes, no = both("yes", "是"), both("no", "否")
    rows = []
    for item in features:
        name = item["name"]
        field = schema.fields.get(name)
        label = {} if field is None else field.label
        english = label.get("en") or name
        rows.append(
            (
                f"`{name}`",
                both(english, label.get("zh") or english),
                _KINDS.get(item["kind"], item["kind"]),
                ("" if field is None else field.unit) or NONE,
                POINTS.get(item["known_at"], both("after the outcome", "结果之后")),
                item["source"],
                yes if item["engineered"] else no,
            )
        )
    return section(
        "features",
        title,
        [
            both(f"The model looks at {len(rows)} features.", f"模型使用 {len(rows)} 个特征。"),
            both(
                f"Leakage: {listed(late)} are known only after the decision. No figure in this card"
                " will hold for new loans.",
                f"数据泄漏：{listed(late)} 在决策之后才可知。本卡片的数字对新贷款均不成立。",
            )
            if late
            else both(
                "None of them is known only after the decision.", "没有任何特征在决策之后才可知。"
            ),
        ],
        table=table(
            [
                both("Field", "字段"),
                both("Meaning", "含义"),
                both("Kind", "类型"),
                both("Unit", "单位"),
                both("Known", "可知时点"),
                both("Held by", "来源"),
                both("Computed", "计算得出"),
            ],
            rows,
        ),
    )


def _training(origin: Mapping[str, Any]) -> CardSection:
    run, exact = origin.get("run", {}), origin.get("model", {}).get("exact")
    start = origin.get("start")
    best = run.get("best_round")
    how = both("How it was trained is not in this file.", "训练方式不在本文件中。")
    if exact:
        how = both(
            "It was fitted from sums over all banks, so that it is the model that the loans in one"
            " place would have given, up to the fixed point of the sums.",
            "模型由各行汇总之和拟合而成，除定点数精度外，与数据集中在一处所得的模型一致。",
        )
    elif exact is not None:
        strategy = run.get("strategy") or NONE
        how = both(
            f"Its weights were trained at the banks and averaged (strategy {strategy},"
            f" {count(run.get('rounds'))} rounds; the best by validation loss is kept"
            + (f": round {best})." if best is not None else ")."),
            f"权重在各银行训练后加权平均（策略 {strategy}，{count(run.get('rounds'))} 轮；"
            "保留验证损失最低的一轮" + (f"：第 {best} 轮）。" if best is not None else "）。"),
        )
    channel = run.get("privacy")
    return section(
        "training",
        both("Training and what left the banks", "训练过程与出行信息"),
        [
            how,
            both(
                "No record of a loan left a bank. What left are vectors that are added up over"
                " banks: counts, sums, gradients, weights times loans, scores by cell.",
                "任何一笔贷款记录都未离开银行。离开的只有可跨行相加的向量："
                "计数、求和、梯度、按笔数加权的权重、分数分布。",
            ),
            both(
                "In this run all loans lay on one machine; the messages are those that banks would"
                " have sent.",
                "本次运行的全部贷款在同一台机器上；消息与各银行实际发送的相同。",
            )
            if run.get("kind") == SIMULATION
            else None,
            both(
                "With the channel 'plain' whoever runs the server can read each bank's vector: the"
                " promise is that only summable vectors leave, and no more than that.",
                "在 plain 通道下，服务器运营方可读取各行向量："
                "承诺仅限于“只有可加向量离开”，不超出此范围。",
            )
            if channel == "plain"
            else None,
            both(
                f"Training went on from an earlier model: {spelled(start)}.",
                f"训练自先前模型继续：{spelled(start)}。",
            )
            if start
            else None,
        ],
        points=[both(f"Warning: {text}", f"警告：{text}") for text in origin.get("warnings", ())],
    )
