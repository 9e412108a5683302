"""The data dictionary ``data/README.md``, written from the schema, so that it cannot say anything else."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from crm_analysis.base.privacy import ResultSchema
from crm_analysis.sources.features import BEFORE, DESCRIPTIVE, FEATURES_SCHEMA, WINDOWS
from crm_analysis.sources.mapping import local_columns
from crm_analysis.sources.periods import PERIODS_SCHEMA
from crm_analysis.sources.schema import TABLES, Field, Table, Type

#: What a table is for, in zh and en.
PURPOSES: Mapping[str, tuple[str, str]] = {
    "customers": ("每位客户一行：登记信息、归属与授权；缺少此表时由订单推导客户",
                  "one row per customer: register, owner, consent; derived from orders when absent"),
    "orders": ("每笔订单或退款一行；唯一必需的表", "one row per order or refund; the only required table"),
    "order_items": ("订单内的产品行：品类偏好与推荐的依据", "products of an order: preferences and recommendations"),
    "interactions": ("与客户的每次接触：来电、投诉、拜访、营销触达及其响应时间",
                     "every contact: calls, complaints, visits, marketing touches, and how fast they were answered"),
    "surveys": ("每份问卷的每道题一行，含未回收的问卷，否则无法计算回收率",
                "one row per questionnaire and question, unanswered ones included, or there is no response rate"),
    "contracts": ("合同及其续约：续约率与到期提醒", "contracts and their renewals: renewal rate, ends that are near"),
    "actions": ("分配给员工的行动、对照组与执行结果",
                "actions assigned to staff, held-out controls, and what came of them"),
    "opportunities": ("商机进入每个阶段的记录：转化漏斗", "every stage that an opportunity entered: the funnel"),
    "events": ("网站、应用与营销活动的行为事件", "behaviour on site and app, and campaign events"),
    "interviews": ("对销售、服务、管理人员的访谈及编码主题",
                   "interviews with sales, service and management, topics coded"),
    "overrides": ("有理由、有期限的人工层级调整", "tiers set by hand, with reason and expiry"),
    "customers_history": ("客户字段的变更历史：使被覆盖的字段可回溯",
                          "changes of customer fields: makes overwritten fields known for the past"),
    "receivables": ("发票与回款：账龄", "invoices and payments: ageing"),
    "budgets": ("按季度、层级与用途批准和使用的预算", "budget granted and used, by quarter, tier and purpose"),
}  # fmt: skip

_WINDOWED = {
    "order_count": ("订单数", "orders"),
    "spend_amount": ("净消费金额", "spend net of refunds"),
}
#: What the derived features mean, in zh and en; descriptive fields take the words of the customers table.
FEATURE_MEANINGS: Mapping[str, tuple[str, str]] = {
    "customer_id": ("客户编号", "customer id"),
    "exists_since_date": ("客户存在起始日（建档或首单，以早者为准）",
                          "registered or first ordered, whichever is earlier"),
    "tenure_days": ("客户存续天数", "days since then, to the last included day"),
    "first_order_date": ("首次购买日", "day of the first counted order"),
    "last_order_date": ("最近购买日", "day of the last counted order"),
    "recency_days": ("距最近购买天数", "days since the last counted order; empty for those who never bought"),
    "order_count": ("累计订单数（不含退款与全额退款订单）", "counted orders: no refunds, none refunded in full"),
    "spend_amount": ("累计净消费金额", "lifetime spend net of refunds"),
    "gross_amount": ("累计消费总额（退款前）", "lifetime spend before refunds"),
    "refund_count": ("退款笔数", "refunds"),
    "refund_amount": ("退款金额（正数）", "amount refunded, positive"),
    "discount_amount": ("累计优惠金额", "discounts granted"),
    **{
        f"{name}_{days}d": (f"近{days}天{zh}", f"{en} of the last {days} days")
        for days in WINDOWS for name, (zh, en) in _WINDOWED.items()
    },
    **{
        f"{name}_{days}d_before": (f"再之前{days}天{zh}", f"{en} of the {days} days before those")
        for days in BEFORE for name, (zh, en) in _WINDOWED.items()
    },
    "order_day_count": ("有购买的天数", "distinct days with a counted order"),
    "gap_count": ("购买间隔数", "gaps between such days"),
    "gap_mean_days": ("平均购买间隔", "their mean"),
    "gap_spread_days": ("购买间隔的标准差（总体，至少两个间隔）", "their population standard deviation, from two on"),
    "basket_mean_amount": ("客单价", "mean amount of a counted order"),
    "discount_share": ("优惠占原价比例", "discounts as a share of what would have been paid without them"),
    "channel_top": ("最常用购买渠道（并列取字典序首位）", "channel of most orders; ties to the first in binary order"),
    "channel_top_share": ("该渠道订单占比", "its share of orders with a known channel"),
    "category_top": ("最常购品类", "category of most lines; ties as above"),
    "interaction_in_count_90d": ("近90天客户主动互动次数", "contacts from the customer in the last 90 days"),
    "interaction_out_count_90d": ("近90天企业主动互动次数", "contacts to the customer in the last 90 days"),
    "complaint_count_90d": ("近90天投诉次数", "complaints of the last 90 days"),
    "complaint_count_365d": ("近365天投诉次数", "complaints of the last 365 days"),
    "first_response_hours_mean_365d": ("近365天平均首次响应时长", "mean hours to the first human reply, last 365 days"),
    "survey_answered_count": ("已回答题数", "answered questions"),
    "survey_score_mean": ("问卷平均得分（各量表折算为0-1）", "mean score, every scale brought to 0-1"),
    "survey_score_last": ("最近一次问卷得分（0-1）", "score of the latest answered questionnaire, 0-1"),
    "contract_end_date": ("最晚合同到期日", "latest agreed end of a contract"),
    "contract_days_left": ("距合同到期天数（已到期为负）", "days to it, negative when past"),
}  # fmt: skip
_PERIOD_MEANINGS = {
    "customer_id": ("客户编号", "customer id"),
    "quarter": ("季度", "quarter, such as 2025Q3 or FY26Q1"),
    "quarter_start": ("季度首日", "its first day"),
    "order_count": ("订单数", "counted orders"),
    "gross_amount": ("消费总额（退款前）", "spend before refunds"),
    "refund_amount": ("退款金额（正数，计入退款当季）", "refunds, positive, in the quarter of the refund"),
    "spend_amount": ("净消费金额", "spend net of refunds"),
    "interaction_in_count": ("客户主动互动次数", "contacts from the customer"),
    "interaction_out_count": ("企业主动互动次数", "contacts to the customer"),
    "complaint_count": ("投诉次数", "complaints"),
}

_HEAD = """\
# Data dictionary · 数据字典

Written from the schema in `crm_analysis/sources/schema.py`; a test keeps the two equal. Do not edit by hand.
本文件由数据契约自动生成，请勿手工修改。

`make demo` writes a plainly synthetic company into `data/demo/`. Your own files may lie anywhere: `crm.yml` names them
and maps their headings and values to the fields below. Only `orders` is required (or invoice lines, from which orders
are declared); every other table switches on what needs it.

- **type**: `id`, `text` and `category` are text; `date` is a local day; `time` is a local wall clock in the file
  (zoned times are understood) and kept as UTC; `money` is decimal with four places; `flag` is true or false, also
  是/否. A field that does not parse is empty and counted; a row whose required field is empty or does not parse goes
  to quarantine, with the money it carries. Rows in = rows used + rows in quarantine.
- **change**: `fixed` never changes; `event` happens once, at its time; `overwritten` holds only today's value: it may
  describe, but is refused as a model feature and for tiers of the past.
- **sensitivity**: `open` shows nothing of a person; `direct` names one; `quasi` helps to find one together with
  others; `sensitive` harms when known; `free` is typed text, which may hold anything.
- **known from**: the time field of the same row before which the value is hidden.
"""


def data_dictionary() -> str:
    """Return the data dictionary as Markdown: every table and field of the contract, features and periods."""
    parts = [_HEAD, *(_table(table) for table in TABLES.values())]
    parts.append(
        _derived(
            "features",
            "客户特征",
            "One row per customer that exists at the day of the report (`as_of`, exclusive).",
            FEATURES_SCHEMA,
            _feature_meanings(),
        )
    )
    parts.append(
        _derived(
            "customer_periods",
            "客户季度汇总",
            "One row per customer and quarter with something in it.",
            PERIODS_SCHEMA,
            _PERIOD_MEANINGS,
        )
    )
    return "\n".join(parts)


def save_data_dictionary(path: Path) -> None:
    """Write the data dictionary to a file."""
    path.write_text(data_dictionary(), encoding="utf-8")


def _table(table: Table) -> str:
    zh, en = PURPOSES[table.name]
    need = "required · 必需" if table.required else "optional · 可选"
    key = ", ".join(f"`{name}`" for name in table.key) or "none: rows have no identity"
    facts = [f"family {table.family}", f"key: {key}", f"time: {_time(table)}", need]
    rows = [_row(*_cells(field)) for field in table]
    heads = ("field", "zh", "en", "type", "unit", "required", "change", "sensitivity", "allowed", "known from")
    return "\n".join(
        [f"## {table.name} · {table.zh}", "", f"{en[0].upper()}{en[1:]}. {zh}。", "", "; ".join(facts), "",
         _row(*heads), _row(*("---" for _ in heads)), *rows, ""]
    )  # fmt: skip


def _time(table: Table) -> str:
    if table.time is None:
        return "none: rows have no date"
    if table[table.time].type is not Type.TIME:
        return f"`{table.time}`"
    day, hour = local_columns(table.time)
    return f"`{table.time}` (loading adds the local `{day}` and `{hour}`)"


def _cells(field: Field) -> Iterator[str]:
    yield f"`{field.name}`"
    yield field.zh
    yield field.en
    yield field.type
    yield field.unit
    yield "yes" if field.required else ""
    yield field.change
    yield field.sensitivity
    yield ", ".join(field.allowed)
    yield f"`{field.known_at}`" if field.known_at else ""


def _feature_meanings() -> dict[str, tuple[str, str]]:
    described = {name: (TABLES["customers"][name].zh, TABLES["customers"][name].en) for name in DESCRIPTIVE}
    return described | dict(FEATURE_MEANINGS)


def _derived(name: str, zh: str, purpose: str, schema: ResultSchema, meanings: Mapping[str, tuple[str, str]]) -> str:
    rows = [_row(f"`{column}`", *meanings[column], sensitivity) for column, sensitivity in schema.items()]
    heads = ("column", "zh", "en", "sensitivity")
    return "\n".join(
        [f"## {name} · {zh} (derived)", "", purpose, "", _row(*heads), _row(*("---" for _ in heads)), *rows, ""]
    )


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
