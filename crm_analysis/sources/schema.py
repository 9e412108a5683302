"""The data contract, as data: canonical tables, their fields, and how each field behaves in time.

`data/README.md` (the data dictionary) is generated from here; so are the checks of loading, the door in time and the
completeness of diagnosis.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from crm_analysis.base.privacy import DIRECT, FREE, OPEN, QUASI, SENSITIVE, Sensitivity


class Type(StrEnum):
    """What the values of a field are; loading casts to it by rule and counts what fails."""

    ID = "id"
    TEXT = "text"
    CATEGORY = "category"
    DATE = "date"
    TIME = "time"
    MONEY = "money"
    NUMBER = "number"
    INTEGER = "integer"
    FLAG = "flag"


class Change(StrEnum):
    """How a field behaves in time.

    ``fixed`` never changes; ``event`` happens once, at its time; ``overwritten`` holds only today's value: it may
    describe, but is refused as a feature of a model and for tiers of the past.
    """

    FIXED = "fixed"
    EVENT = "event"
    OVERWRITTEN = "overwritten"


class Family(StrEnum):
    """The four families of customer information (REQUIREMENTS D1)."""

    BASIC = "basic"
    TRANSACTIONS = "transactions"
    INTERACTIONS = "interactions"
    FEEDBACK = "feedback"


@dataclass(frozen=True)
class Field:
    """One column of a canonical table.

    Attributes
    ----------
    zh, en
        Label and meaning in a few words.
    known_at
        Name of the time field of the same row from which on the value is known: before it, the door hides the value.
    allowed
        Closed set of values; others count as invalid.
    required
        A table without the column cannot be used.
    """

    name: str
    type: Type
    zh: str
    en: str
    change: Change = Change.FIXED
    sensitivity: Sensitivity = OPEN
    required: bool = False
    known_at: str | None = None
    allowed: tuple[str, ...] = ()
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """A canonical table.

    Attributes
    ----------
    key
        Columns that identify a row; empty when rows have no identity.
    time
        The time field that decides from when on a row exists for the past; ``None`` for rows without a date.
    """

    name: str
    zh: str
    en: str
    family: Family
    fields: tuple[Field, ...]
    key: tuple[str, ...] = ()
    time: str | None = None
    required: bool = False

    def __getitem__(self, name: str) -> Field:
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.name} has no field {name!r}")

    def __contains__(self, name: object) -> bool:
        return any(field.name == name for field in self.fields)

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    @property
    def names(self) -> list[str]:
        """Names of all fields, in order."""
        return [field.name for field in self.fields]


ID, TEXT, CATEGORY, DATE, TIME, MONEY, NUMBER, INTEGER, FLAG = Type
FIXED, EVENT, OVERWRITTEN = Change

_CUSTOMER = Field("customer_id", ID, "客户编号", "customer id", sensitivity=DIRECT, required=True)


def _f(name: str, type_: Type, zh: str, en: str, **more: object) -> Field:
    return Field(name, type_, zh, en, **more)  # type: ignore[arg-type]


CUSTOMERS = Table(
    "customers",
    "客户",
    "customers",
    Family.BASIC,
    key=("customer_id",),
    time="registered_at",
    fields=(
        _CUSTOMER,
        _f("kind", CATEGORY, "客户性质", "kind", allowed=("person", "organisation")),
        _f("name", TEXT, "姓名/名称", "name", change=OVERWRITTEN, sensitivity=DIRECT),
        _f("phone", TEXT, "电话", "phone", change=OVERWRITTEN, sensitivity=DIRECT),
        _f("email", TEXT, "电子邮箱", "e-mail", change=OVERWRITTEN, sensitivity=DIRECT),
        _f("wechat", TEXT, "微信号", "WeChat id", change=OVERWRITTEN, sensitivity=DIRECT),
        _f("address", TEXT, "地址", "address", change=OVERWRITTEN, sensitivity=DIRECT),
        _f("gender", CATEGORY, "性别", "gender", sensitivity=QUASI, allowed=("female", "male", "other")),
        _f("birth_date", DATE, "出生日期", "date of birth", sensitivity=QUASI),
        _f("region", CATEGORY, "地区", "region", change=OVERWRITTEN),
        _f("city", CATEGORY, "城市", "city", change=OVERWRITTEN, sensitivity=QUASI),
        _f("industry", CATEGORY, "行业", "industry", change=OVERWRITTEN),
        _f(
            "company_size",
            CATEGORY,
            "企业规模",
            "company size",
            change=OVERWRITTEN,
            allowed=("micro", "small", "medium", "large"),
        ),
        _f(
            "industry_position",
            CATEGORY,
            "行业地位",
            "position in its industry",
            change=OVERWRITTEN,
            allowed=("leader", "major", "follower"),
        ),
        _f("cooperation_start", DATE, "合作开始日", "start of cooperation"),
        _f("registered_at", TIME, "建档时间", "registered at", change=EVENT),
        _f("acquisition_channel", CATEGORY, "获客渠道", "acquisition channel"),
        _f("acquisition_cost", MONEY, "获客成本", "acquisition cost", unit="currency"),
        _f("owner", CATEGORY, "负责人", "person in charge", change=OVERWRITTEN),
        _f("department", CATEGORY, "负责部门", "department in charge", change=OVERWRITTEN),
        _f("member_level", CATEGORY, "会员等级", "membership level", change=OVERWRITTEN),
        _f("points", INTEGER, "会员积分", "membership points", change=OVERWRITTEN),
        _f("contact_person", TEXT, "联系人", "contact person", change=OVERWRITTEN, sensitivity=DIRECT),
        _f("marketing_consent", FLAG, "营销授权", "consent to marketing", change=OVERWRITTEN),
        _f("products_bought", TEXT, "已购产品", "products bought", change=OVERWRITTEN, sensitivity=FREE),
        _f("past_feedback", TEXT, "历史投诉与表扬", "past complaints and praise", change=OVERWRITTEN, sensitivity=FREE),
        _f("recent_developments", TEXT, "近期动态", "recent developments", change=OVERWRITTEN, sensitivity=FREE),
        _f("latent_needs", TEXT, "潜在需求", "latent needs", change=OVERWRITTEN, sensitivity=FREE),
        _f("decision_chain", TEXT, "决策链", "decision chain", change=OVERWRITTEN, sensitivity=FREE),
        _f("updated_at", TIME, "更新时间", "last update", change=OVERWRITTEN),
    ),
)

ORDERS = Table(
    "orders",
    "订单",
    "orders",
    Family.TRANSACTIONS,
    key=("order_id",),
    time="ordered_at",
    required=True,
    fields=(
        _f("order_id", ID, "订单编号", "order id", required=True),
        _CUSTOMER,
        _f("ordered_at", TIME, "下单时间", "ordered at", change=EVENT, required=True),
        _f("amount", MONEY, "金额", "amount", required=True, unit="currency"),
        _f("cost", MONEY, "成本", "cost of goods", unit="currency"),
        _f("discount", MONEY, "优惠金额", "discount granted", unit="currency"),
        _f("channel", CATEGORY, "购买渠道", "sales channel"),
        _f("store", CATEGORY, "门店", "store"),
        _f("region", CATEGORY, "订单地区", "region of the order"),
        _f("status", CATEGORY, "订单状态", "status", change=OVERWRITTEN),
        _f("refund_of", ID, "退款原单", "order refunded"),
        _f("currency", CATEGORY, "币种", "currency"),
        _f("campaign_id", ID, "营销活动", "campaign"),
    ),
)

ORDER_ITEMS = Table(
    "order_items",
    "订单明细",
    "order items",
    Family.TRANSACTIONS,
    fields=(
        _f("order_id", ID, "订单编号", "order id", required=True),
        _f("product_id", ID, "产品编号", "product id", required=True),
        _f("category", CATEGORY, "产品类别", "product category"),
        _f("product_name", CATEGORY, "产品名称", "product name"),
        _f("quantity", NUMBER, "数量", "quantity", required=True),
        _f("amount", MONEY, "金额", "amount", required=True, unit="currency"),
        _f("discount", MONEY, "优惠金额", "discount", unit="currency"),
    ),
)

INTERACTIONS = Table(
    "interactions",
    "互动记录",
    "interactions",
    Family.INTERACTIONS,
    key=("interaction_id",),
    time="opened_at",
    fields=(
        _f("interaction_id", ID, "互动编号", "interaction id", required=True),
        _CUSTOMER,
        _f("opened_at", TIME, "开始时间", "opened at", change=EVENT, required=True),
        _f("first_human_reply_at", TIME, "首次人工回复时间", "first public human reply", change=EVENT),
        _f("resolved_at", TIME, "解决时间", "resolved at", change=EVENT),
        _f("reopened_at", TIME, "重新打开时间", "reopened at", change=EVENT),
        _f("channel", CATEGORY, "互动渠道", "contact channel", required=True),
        _f("direction", CATEGORY, "方向", "direction", required=True, allowed=("in", "out")),
        _f(
            "kind",
            CATEGORY,
            "互动类型",
            "kind",
            required=True,
            allowed=("visit", "call", "message", "inquiry", "complaint", "after_sales", "marketing", "care"),
        ),
        _f("is_public", FLAG, "对客户可见", "visible to the customer"),
        _f("urgency", CATEGORY, "紧急程度", "urgency", allowed=("urgent", "normal")),
        _f("complexity", CATEGORY, "复杂程度", "complexity", allowed=("general", "complex")),
        _f("owner", CATEGORY, "处理人", "handled by"),
        _f("outcome", CATEGORY, "处理结果", "outcome", change=OVERWRITTEN, known_at="resolved_at"),
        _f("reason", CATEGORY, "原因", "coded reason", sensitivity=SENSITIVE, known_at="resolved_at"),
        _f("text", TEXT, "内容", "text", sensitivity=FREE),
    ),
)

SURVEYS = Table(
    "surveys",
    "问卷",
    "surveys",
    Family.FEEDBACK,
    key=("survey_id", "question"),
    time="sent_at",
    fields=(
        _f("survey_id", ID, "问卷编号", "survey id", required=True),
        _CUSTOMER,
        _f("sent_at", TIME, "发送时间", "sent at", change=EVENT, required=True),
        _f("answered_at", TIME, "回收时间", "answered at", change=EVENT),
        _f("question", CATEGORY, "题目", "question", required=True),
        _f("score", NUMBER, "评分", "score", known_at="answered_at", sensitivity=SENSITIVE),
        _f("scale_min", NUMBER, "量表下限", "lowest possible score", required=True),
        _f("scale_max", NUMBER, "量表上限", "highest possible score", required=True),
        _f("text", TEXT, "意见", "free answer", known_at="answered_at", sensitivity=FREE),
    ),
)

CONTRACTS = Table(
    "contracts",
    "合同",
    "contracts",
    Family.TRANSACTIONS,
    key=("contract_id",),
    time="start_date",
    fields=(
        _f("contract_id", ID, "合同编号", "contract id", required=True),
        _CUSTOMER,
        _f("start_date", DATE, "开始日", "start date", change=EVENT, required=True),
        _f("end_date", DATE, "到期日", "end date", required=True),
        _f("amount", MONEY, "合同金额", "amount", unit="currency"),
        _f("renewal_of", ID, "续约原合同", "contract renewed"),
    ),
)

ACTIONS = Table(
    "actions",
    "执行记录",
    "actions",
    Family.INTERACTIONS,
    key=("action_id",),
    time="assigned_at",
    fields=(
        _f("action_id", ID, "行动编号", "action id", required=True),
        _f("campaign_id", ID, "活动编号", "campaign"),
        _f("customer_id", ID, "客户编号", "customer id", sensitivity=DIRECT),
        _f("tier", CATEGORY, "客户层级", "tier"),
        _f("kind", CATEGORY, "行动类型", "kind of action", required=True),
        _f("assigned_at", TIME, "分配时间", "assigned at", change=EVENT, required=True),
        _f("is_control", FLAG, "对照组", "held out as control", required=True),
        _f("owner", CATEGORY, "负责人", "person in charge", required=True),
        _f("department", CATEGORY, "部门", "department"),
        _f("start_date", DATE, "开始日", "planned start"),
        _f("due_date", DATE, "截止日", "due", required=True),
        _f("done_at", TIME, "完成时间", "done at", change=EVENT),
        _f(
            "status",
            CATEGORY,
            "状态",
            "status",
            change=OVERWRITTEN,
            required=True,
            known_at="done_at",
            allowed=("planned", "in_progress", "done", "cancelled"),
        ),
        _f("deliverable", TEXT, "交付物", "deliverable"),
        _f("cost", MONEY, "费用", "cost", known_at="done_at", unit="currency"),
        _f("outcome", CATEGORY, "结果", "outcome", known_at="done_at"),
        _f("feedback", TEXT, "客户反馈", "customer feedback", known_at="done_at", sensitivity=FREE),
        _f("problem", TEXT, "问题", "problem met", known_at="done_at", sensitivity=FREE),
        _f("cause", TEXT, "原因", "its cause", known_at="done_at", sensitivity=FREE),
        _f("remedy", TEXT, "对策", "its remedy", known_at="done_at", sensitivity=FREE),
    ),
)

OPPORTUNITIES = Table(
    "opportunities",
    "商机",
    "opportunities",
    Family.TRANSACTIONS,
    key=("opportunity_id", "stage"),
    time="entered_at",
    fields=(
        _f("opportunity_id", ID, "商机编号", "opportunity id", required=True),
        _CUSTOMER,
        _f(
            "stage",
            CATEGORY,
            "阶段",
            "stage",
            required=True,
            allowed=("lead", "qualified", "proposal", "negotiation", "closed"),
        ),
        _f("entered_at", TIME, "进入时间", "entered at", change=EVENT, required=True),
        _f("amount", MONEY, "预计金额", "expected amount", unit="currency"),
        _f("closed_at", TIME, "关闭时间", "closed at", change=EVENT),
        _f("won", FLAG, "是否成交", "won", known_at="closed_at"),
    ),
)

EVENTS = Table(
    "events",
    "行为事件",
    "events",
    Family.INTERACTIONS,
    time="at",
    fields=(
        _CUSTOMER,
        _f("at", TIME, "时间", "time", change=EVENT, required=True),
        _f("event", CATEGORY, "事件", "event", required=True),
        _f("dwell_seconds", NUMBER, "停留秒数", "seconds stayed", unit="seconds"),
        _f("campaign_id", ID, "营销活动", "campaign"),
    ),
)

INTERVIEWS = Table(
    "interviews",
    "访谈记录",
    "interviews",
    Family.FEEDBACK,
    key=("interview_id", "topic"),
    time="held_on",
    fields=(
        _f("interview_id", ID, "访谈编号", "interview id", required=True),
        _f("held_on", DATE, "访谈日期", "day of the interview", change=EVENT, required=True),
        _f(
            "role",
            CATEGORY,
            "受访角色",
            "role asked",
            required=True,
            allowed=("sales", "service", "management"),
        ),
        _f("topic", CATEGORY, "主题", "coded topic", required=True),
        _f("text", TEXT, "记录", "notes", sensitivity=FREE),
    ),
)

OVERRIDES = Table(
    "overrides",
    "人工调整",
    "overrides",
    Family.BASIC,
    key=("customer_id", "scheme", "decided_at", "tier"),
    time="decided_at",
    fields=(
        _CUSTOMER,
        _f("scheme", CATEGORY, "分层方案", "scheme", required=True),
        _f("tier", CATEGORY, "层级", "tier given", required=True),
        _f("decided_at", TIME, "决定时间", "decided at", change=EVENT, required=True),
        _f("decided_by", CATEGORY, "决定人", "decided by", required=True),
        _f("reason", TEXT, "理由", "reason", required=True, sensitivity=FREE),
        _f("expires_on", DATE, "失效日", "valid until", required=True),
    ),
)

CUSTOMERS_HISTORY = Table(
    "customers_history",
    "客户变更历史",
    "customer history",
    Family.BASIC,
    key=("customer_id", "field", "changed_at"),
    time="changed_at",
    fields=(
        _CUSTOMER,
        _f("field", CATEGORY, "字段", "field", required=True),
        _f("value", TEXT, "新值", "new value", sensitivity=QUASI),
        _f("changed_at", TIME, "变更时间", "changed at", change=EVENT, required=True),
    ),
)

RECEIVABLES = Table(
    "receivables",
    "应收账款",
    "receivables",
    Family.TRANSACTIONS,
    key=("invoice_id",),
    time="invoiced_on",
    fields=(
        _f("invoice_id", ID, "发票编号", "invoice id", required=True),
        _CUSTOMER,
        _f("invoiced_on", DATE, "开票日", "day of the invoice", change=EVENT, required=True),
        _f("due_date", DATE, "到期日", "due", required=True),
        _f("amount", MONEY, "金额", "amount", required=True, unit="currency"),
        _f("paid_on", DATE, "回款日", "paid on", change=EVENT),
    ),
)

BUDGETS = Table(
    "budgets",
    "预算",
    "budgets",
    Family.TRANSACTIONS,
    key=("quarter", "tier", "purpose"),
    fields=(
        _f("quarter", CATEGORY, "季度", "quarter", required=True),
        _f("tier", CATEGORY, "层级", "tier", required=True),
        _f("purpose", CATEGORY, "用途", "what for", required=True),
        _f("granted_amount", MONEY, "批准金额", "granted", required=True, unit="currency"),
        _f("used_amount", MONEY, "已用金额", "used", unit="currency"),
    ),
)

TABLES = MappingProxyType(
    {
        table.name: table
        for table in (
            CUSTOMERS,
            ORDERS,
            ORDER_ITEMS,
            INTERACTIONS,
            SURVEYS,
            CONTRACTS,
            ACTIONS,
            OPPORTUNITIES,
            EVENTS,
            INTERVIEWS,
            OVERRIDES,
            CUSTOMERS_HISTORY,
            RECEIVABLES,
            BUDGETS,
        )
    }
)


def field_names() -> dict[str, dict[str, str]]:
    """Return the labels of tables and fields as words: ``{"table.orders": {"zh": ..., "en": ...}, ...}``."""
    names = {f"table.{table.name}": {"zh": table.zh, "en": table.en} for table in TABLES.values()}
    for table in TABLES.values():
        names |= {f"field.{table.name}.{field.name}": {"zh": field.zh, "en": field.en} for field in table}
    return names
