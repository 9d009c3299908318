"""Sections of the model card on what a model is, and what was changed of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fed_credit.model_file.card_data import POINTS, bad_words
from fed_credit.model_file.card_parts import (
    NONE,
    CardSection,
    Words,
    both,
    section,
    spelled,
    table,
    text_of,
)
from fed_credit.model_file.contents import ModelFile
from fed_credit.model_file.provenance import BANK, DEPLOYMENT, SIMULATION

FAMILY_WORDS: Mapping[str, Words] = {
    "logreg_exact": both("a logistic regression", "逻辑回归"),
    "scorecard": both("a scorecard", "评分卡"),
    "gbdt": both("an ensemble of boosted trees", "梯度提升树"),
    "tree": both("a decision tree", "决策树"),
}
"""Families of models but networks, in words."""


def family_words(model: ModelFile) -> Words:
    """Name the family of a model."""
    spec = model.artefact.spec
    if spec.family in FAMILY_WORDS:
        return FAMILY_WORDS[spec.family]
    if not spec.hidden:
        return both("a logistic regression, trained step by step", "逐步训练的逻辑回归")
    units = ", ".join(map(str, spec.hidden))
    return both(f"a neural network (hidden layers of {units})", f"神经网络（隐藏层：{units}）")


def origin_sections(model: ModelFile) -> Iterator[CardSection]:
    """Yield the sections on what the model is for, what it is, and what was changed since."""
    origin = model.provenance
    yield _purpose(model, origin)
    yield _identity(model, origin)
    if origin.get("edits"):
        yield _changes(origin)


def _purpose(model: ModelFile, origin: Mapping[str, Any]) -> CardSection:
    family = family_words(model)
    target = bad_words(origin)
    point = POINTS.get(str(origin.get("decision_point")), both("", ""))
    about = model.schema.description or model.schema.name
    return section(
        "purpose",
        both("Purpose", "用途"),
        [
            both(
                f"{family['en'].capitalize()} that estimates the probability of default (PD) of a"
                f" loan {point['en']}: {target['en']}. Made for: {about}.",
                f"本模型为{family['zh']}，在{point['zh']}估计贷款的违约概率（PD）：{target['zh']}。"
                f"适用数据：{about}。",
            ),
            both(
                "It supports decisions on applications of the kind described below, at a bank that"
                " has validated it on its own loans, registered it and named who answers for it.",
                "本模型用于支持对下述类型申请的信贷决策；"
                "使用银行须先以自有贷款验证、登记，并指定责任人。",
            ),
        ],
        points=[
            both(
                "Not for: other products or customers than it was trained on; prices or limits by"
                " themselves; decisions on people outside lending; decisions that no person can"
                " review.",
                "不适用于：训练范围以外的产品或客户；单独用于定价或额度；"
                "信贷以外的个人决策；无人可复核的决策。",
            )
        ],
    )


def _identity(model: ModelFile, origin: Mapping[str, Any]) -> CardSection:
    run, code = origin.get("run", {}), origin.get("code", {})
    owner = origin.get("owner")
    rows = [
        (both("Owner", "责任人"), owner or both("not named in this file", "文件中未指定")),
        (both("Family", "模型类型"), family_words(model)),
        (both("Model, SHA-256", "模型 SHA-256"), model.artefact.sha256),
        (both("Run", "运行"), _kind(run)),
        (both("Seed", "随机种子"), text_of(run.get("seed"))),
        (both("Configuration, SHA-256", "配置 SHA-256"), text_of(run.get("configuration_sha256"))),
        (both("Program, version", "程序版本"), text_of(code.get("version"))),
        (both("Program, SHA-256", "程序 SHA-256"), text_of(code.get("sha256"))),
        (
            both("Libraries", "依赖库版本"),
            "; ".join(f"{name} {version}" for name, version in origin.get("libraries", {}).items())
            or NONE,
        ),
    ]
    return section(
        "identity",
        both("What it is and who answers for it", "模型标识与责任"),
        [
            both(
                "Who answers for the model is named by the bank that uses it (fed-credit model edit"
                " --owner).",
                "责任人由使用本模型的银行指定（fed-credit model edit --owner）。",
            )
            if owner is None
            else None
        ],
        table=table([both("Item", "项目"), both("Value", "内容")], rows),
    )


def _kind(run: Mapping[str, Any]) -> Words | str:
    name = run.get("name")
    after = f" {name}" if name else ""
    return {
        SIMULATION: both("on one machine, over loans at hand", "单机运行，数据在手"),
        DEPLOYMENT: both(
            f"over banks' own machines:{after}", f"各银行自有机器上的联邦运行：{after}"
        ),
        BANK: both(
            f"over banks' own machines, as this bank saw it:{after}",
            f"联邦运行，本行视角：{after}",
        ),
    }.get(str(run.get("kind")), NONE)


def _changes(origin: Mapping[str, Any]) -> CardSection:
    kinds = {
        "policy": both("policy set", "设定策略"),
        "recalibration": both("recalibrated on own loans", "以自有贷款重新校准"),
    }
    rows = [
        (
            kinds.get(one["kind"], one["kind"]),
            one["from_sha256"],
            spelled({key: one[key] for key in one if key not in ("kind", "from_sha256")}),
        )
        for one in origin["edits"]
    ]
    return section(
        "changes",
        both("Changed since training", "训练后的变更"),
        [
            both(
                "What scores is as it was trained; policy or calibration were set anew.",
                "评分部分与训练时一致；策略或校准被重新设定。",
            )
        ],
        table=table(
            [both("Change", "变更"), both("Made of the file", "来源文件"), both("What", "内容")],
            rows,
        ),
    )
