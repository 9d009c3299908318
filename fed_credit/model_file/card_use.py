"""Sections of the model card on use: explanations, watching, people, limits, rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fed_credit.config.names import EXACT_FAMILIES
from fed_credit.model_file.card_parts import (
    CardSection,
    Words,
    both,
    listed,
    section,
    table,
)
from fed_credit.model_file.contents import ModelFile

EXPLAINED: Mapping[str, Words] = {
    "scorecard": both(
        "Points that each answer loses against the best class of its feature; they add up to the"
        " whole difference.",
        "各回答相对该特征最优档所失的分数；相加即为全部差异。",
    ),
    "logreg_exact": both(
        "What each feature adds to the log-odds against an average loan; the parts add up to the"
        " whole difference.",
        "各特征相对平均贷款对对数几率的贡献；相加即为全部差异。",
    ),
    "gbdt": both(
        "Shapley values of the trees, computed exactly; they add up to the whole difference.",
        "树模型的 Shapley 值，精确计算；相加即为全部差异。",
    ),
    "tree": both(
        "Shapley values of the tree, computed exactly; they add up to the whole difference.",
        "决策树的 Shapley 值，精确计算；相加即为全部差异。",
    ),
}
"""How each exact family is explained."""


def use_sections(model: ModelFile) -> Iterator[CardSection]:
    """Yield the sections on explanations, monitoring, oversight, limits, protection and rules."""
    yield _explanations(model)
    yield _monitoring(model)
    yield _oversight(model)
    yield _limits(model)
    yield _protection()
    yield _rules()


def _explanations(model: ModelFile) -> CardSection:
    family = model.artefact.spec.family
    exact = family in EXACT_FAMILIES
    most = model.policy.reasons
    return section(
        "explanations",
        both("Explanations", "解释方法"),
        [
            EXPLAINED[family]
            if exact
            else both(
                "Integrated gradients of the log-odds, on the way from an average loan to the"
                " application. They are approximate: they add up to the whole difference to a"
                " tolerance, and another way or another average would share it out otherwise.",
                "从平均贷款到该申请的对数几率积分梯度。结果为近似值：相加在容差内等于全部差异，"
                "换一条路径或另一平均贷款，分摊便会不同。",
            ),
            both(
                f"At most {most} reasons per declined application, most important first, in English"
                " and Chinese. A feature that matters need not be a cause of default.",
                f"每份被拒申请最多 {most} 条理由，按重要性排列，中英双语。"
                "重要的特征不一定是违约的原因。",
            ),
        ],
    )


def _monitoring(model: ModelFile) -> CardSection:
    return section(
        "monitoring",
        both("Monitoring", "监测"),
        [
            both(
                "The file holds the population that drift is measured against: counts by feature"
                " and score, no single loan.",
                "文件含有衡量漂移所用的参照分布：按特征与分数的计数，不含单笔贷款。",
            )
            if model.reference is not None
            else both(
                "The file holds no population to measure drift against; drift of this model cannot"
                " be told from it.",
                "文件不含漂移参照分布；无法据此判断本模型的漂移。",
            ),
            both(
                "To be watched at every bank: distribution of scores and features by month, missing"
                " values, and, as loans mature, default rate, AUC and calibration by vintage"
                " (fed-credit monitor).",
                "各行应监测：分数与特征的月度分布、缺失率，以及贷款到期后各批次的违约率、AUC 与校准"
                "（fed-credit monitor）。",
            ),
        ],
    )


def _oversight(model: ModelFile) -> CardSection:
    band = model.policy.decline_from > model.policy.approve_below
    return section(
        "oversight",
        both("People and overrides", "人工监督与人工改判"),
        [
            both(
                "An underwriter decides where the policy refers an application.",
                "策略转人工的申请由信贷人员决定。",
            )
            if band
            else both(
                "This policy refers nothing by itself; whether a person looks at a declined"
                " application is for the bank to arrange.",
                "本策略不自动转人工；被拒申请是否由人复核，由银行自行安排。",
            ),
            both(
                "Every decision can be overridden with a reason; decision and override are kept and"
                " can be reproduced from the decision log.",
                "任何决定均可附理由改判；决定与改判均予保存，并可由决策日志重现。",
            ),
        ],
        points=[
            both(
                "Who overrides needs to know the limits below, and must not be judged by how often"
                " they agree with the model.",
                "改判人员须了解下述局限，且不应以与模型一致的频率来考核。",
            )
        ],
    )


def _limits(model: ModelFile) -> CardSection:
    origin, found = model.provenance, model.evaluation
    return section(
        "limits",
        both("Known limits", "已知局限"),
        [],
        points=[
            both(
                "Reject inference: the model was trained and judged on approved loans alone. What"
                " the declined would have done is not known, so its PDs hold for applications like"
                " those that were approved, and the riskiest applications are those it knows least"
                " about.",
                "拒绝推断：模型仅在已批准贷款上训练与评估。被拒申请的表现不可知，"
                "故 PD 只适用于与已批准者相似的申请，而风险最高的申请恰是模型了解最少的。",
            ),
            both(
                "Drift: borrowers, products and the economy change; figures hold for the time of"
                " the loans they were measured on.",
                "漂移：客户、产品与经济环境会变化；各项数字仅适用于所评估贷款的时期。",
            ),
            _small(found),
            both(
                "Final status: without a performance window, default rates of vintages do not"
                " compare, and young loans look better than they are.",
                "最终状态目标：没有观察期，各批次违约率不可比，新贷款显得比实际更好。",
            )
            if origin.get("target", {}).get("window_months", 0) is None
            else None,
            both(
                f"Late fields: {listed(origin['late_fields'])} are known only after the decision.",
                f"后验字段：{listed(origin['late_fields'])} 在决策之后才可知。",
            )
            if origin.get("late_fields")
            else None,
            both(
                "Dependence: intervals and tests take loans as independent. In a downturn they are"
                " not, and intervals are then too narrow.",
                "相关性：区间与检验假定各贷款独立；下行期并非如此，区间会偏窄。",
            ),
            both(
                "Fairness: groups that no field tells apart were not looked at. Segments above say"
                " where the model ranks worse, not why.",
                "公平性：没有字段可区分的群体未被考察。上述分群只说明模型在何处较差，不说明原因。",
            ),
        ],
    )


def _small(found: Mapping[str, Any]) -> Words | None:
    banks = (found.get("comparison") or {}).get("institutions", ())
    small = [one["name"] for one in banks if not one["assessable"]]
    if not small:
        return both(
            "Small banks: what is shown for all banks together need not hold for one; each"
            " validates on its own loans.",
            "小型银行：整体结论不一定适用于单家银行；各行须以自有贷款验证。",
        )
    return both(
        f"Small banks: {listed(small)} had too few test loans to be assessed; whether the model"
        " serves them is not shown.",
        f"小型银行：{listed(small)} 测试样本过少，无法评估；模型是否适合这些银行未得到证实。",
    )


def _protection() -> CardSection:
    return section(
        "protection",
        both("Data protection", "数据保护"),
        [
            both(
                "The file holds weights, counts and figures; it holds no record of a loan. Trees,"
                " cells with few loans and a network's weights can still tell something about the"
                " loans behind them, so it is handled as confidential.",
                "文件含有权重、计数与统计数字，不含任何单笔贷款记录。但树结构、笔数很少的单元与网络权重"
                "仍可能透露背后贷款的信息，因此应按机密文件处理。",
            ),
            both(
                "Fields that the schema marks as sensitive appear in no segment, log or message.",
                "数据字典标记为敏感的字段不出现在任何分群、日志或消息中。",
            ),
        ],
    )


def _rules() -> CardSection:
    rows: list[tuple[Words | str, Words, Words]] = [
        (
            "SR 11-7",
            both(
                "documented purpose, data, limits; outcomes analysis; validation by others",
                "记录用途、数据与局限；结果分析；独立验证",
            ),
            both(
                "purpose, data, performance, limits; validation by others is the bank's to arrange",
                "用途、数据、表现、局限各节；独立验证由银行安排",
            ),
        ),
        (
            both("EU AI Act, Annex III 5(b)", "欧盟《人工智能法》附件三第 5(b) 项"),
            both(
                "creditworthiness of natural persons is a high-risk use; sole traders are natural"
                " persons",
                "自然人信用评估属高风险用途；个体经营者为自然人",
            ),
            both("purpose", "用途"),
        ),
        (
            both("EU AI Act, Art. 10", "欧盟《人工智能法》第 10 条"),
            both("data and their governance, bias", "数据与数据治理、偏差"),
            both("data, population, features, segments", "数据、样本范围、特征、分群"),
        ),
        (
            both("EU AI Act, Art. 13", "欧盟《人工智能法》第 13 条"),
            both("information for those who deploy", "向部署者提供信息"),
            both("this card", "本卡片"),
        ),
        (
            both("EU AI Act, Art. 14", "欧盟《人工智能法》第 14 条"),
            both("human oversight", "人工监督"),
            both("policy, explanations, people and overrides", "决策策略、解释、人工监督"),
        ),
        (
            both("EU AI Act, Art. 15", "欧盟《人工智能法》第 15 条"),
            both("accuracy, robustness, cybersecurity", "准确性、稳健性、网络安全"),
            both(
                "performance, monitoring; hashes and signature of the file",
                "表现、监测；文件哈希与签名",
            ),
        ),
        (
            both("PIPL, Art. 24 (China)", "《个人信息保护法》第二十四条"),
            both(
                "automated decisions: transparent and fair; explanation on request; right to refuse"
                " a decision by automated means alone",
                "自动化决策：透明、公平；应要求说明；有权拒绝仅以自动化方式作出的决定",
            ),
            both(
                "explanations; referral and overrides; how customers ask is the bank's to arrange",
                "解释；转人工与改判；客户如何提出由银行安排",
            ),
        ),
        (
            both("Credit-reporting rules (China)", "征信管理规定"),
            both(
                "what may be collected and used, and with whose consent",
                "可采集、使用的信息范围与同意",
            ),
            both(
                "features with their source; consent is the bank's to hold",
                "特征及其来源；授权由银行取得并保存",
            ),
        ),
        (
            "EBA/GL/2017/16",
            both("PDs at the long-run average default rate", "PD 达到长期平均违约率"),
            both("calibration", "校准"),
        ),
    ]
    return section(
        "rules",
        both("Rules that this card was written with in view", "撰写本卡片时参考的规则"),
        [
            both(
                "The card follows the spirit of these texts. It is no legal advice and claims no"
                " compliance: that depends on the bank, its customers and its use.",
                "本卡片参照下列规则的精神撰写，不构成法律意见，也不声称合规："
                "合规与否取决于银行、客户及用途。",
            )
        ],
        table=table(
            [
                both("Text", "规则"),
                both("What it asks for", "要求"),
                both("Where in this card", "本卡片相应部分"),
            ],
            rows,
        ),
    )
