"""Columns of the derived tables, as data: meaning, unit, and what an empty cell means.

The declared schemas of `features` and `customer_periods`, their types and the data dictionary are all made from here.
"""

from dataclasses import dataclass
from enum import StrEnum

from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema, Sensitivity
from crm_analysis.sources.schema import TABLES, Type

WINDOWS = (30, 90, 180, 365)
BEFORE = (90, 365)
#: Fields of the customers table that features carry along.
DESCRIPTIVE = ("kind", "gender", "birth_date", "region", "industry", "company_size", "industry_position",
               "acquisition_channel", "owner", "department", "member_level")  # fmt: skip
REPLY_DAYS = 180
REPLY_WITHIN_DAYS = 30


class Kind(StrEnum):
    """What a column holds: its type, and whether "nothing" is 0 or empty."""

    TEXT = "text"
    DATE = "date"
    COUNT = "count"  # whole number, 0 for nothing
    AMOUNT = "amount"  # money, 0 for nothing
    NUMBER = "number"  # days, means, shares; empty for nothing


@dataclass(frozen=True)
class Column:
    """One column of a derived table.

    Attributes
    ----------
    null_zh, null_en
        What an empty cell means; nothing for columns that are never empty.
    """

    name: str
    kind: Kind
    zh: str
    en: str
    unit: str = ""
    null_zh: str = ""
    null_en: str = ""
    sensitivity: Sensitivity = OPEN

    @property
    def type(self) -> str:
        """Type in the engine."""
        return {"text": "string", "date": "date", "count": "int64"}.get(self.kind, "float64")


def schema_of(columns: tuple[Column, ...]) -> ResultSchema:
    """Return the declared schema of a derived table."""
    return {column.name: column.sensitivity for column in columns}


TEXT, DATE, COUNT, AMOUNT, NUMBER = Kind
_NO_ORDER = ("没有计入的订单", "no counted order")
_NO_GAP = ("购买日不足两天", "fewer than two days with a purchase")
_NEITHER = ("两个时段均无", "nothing in either window")


def _described(name: str) -> Column:
    field = TABLES["customers"][name]
    kind = DATE if field.type is Type.DATE else TEXT
    return Column(name, kind, field.zh, field.en, "", "未登记", "not registered", field.sensitivity)


def _count(name: str, zh: str, en: str, unit: str, sensitivity: Sensitivity = OPEN) -> Column:
    return Column(name, COUNT, zh, en, unit, sensitivity=sensitivity)


def _amount(name: str, zh: str, en: str) -> Column:
    return Column(name, AMOUNT, zh, en, "currency")


def _number(name: str, zh: str, en: str, unit: str, null: tuple[str, str], sensitivity: Sensitivity = OPEN) -> Column:
    return Column(name, NUMBER, zh, en, unit, *null, sensitivity)


CUSTOMER_ID = Column("customer_id", TEXT, "客户编号", "customer id", sensitivity=DIRECT)

FEATURES = (
    CUSTOMER_ID,
    *(_described(name) for name in DESCRIPTIVE),
    Column("exists_since_date", DATE, "客户存在起始日（建档或首单，以早者为准）",
           "registered or first ordered, whichever is earlier"),
    _number("tenure_days", "客户存续天数（自建档或首单起，以早者为准）",
            "days since the customer exists: since registered or first ordered, whichever is earlier", "days",
            ("", "")),
    _number("cooperation_days", "合作天数（自合作开始日，缺失时自客户存在起始日）",
            "days since the start of cooperation, or since the customer exists, whichever is earlier", "days",
            ("", "")),
    _number("points", "会员积分", "membership points", "points", ("未登记", "not registered")),
    # purchases
    Column("first_order_date", DATE, "首次购买日", "day of the first counted order", "", *_NO_ORDER),
    Column("last_order_date", DATE, "最近购买日", "day of the last counted order", "", *_NO_ORDER),
    _number("recency_days", "距最近购买天数", "days since the last counted order, to the last included day", "days",
            _NO_ORDER),
    _count("order_count", "累计订单数（不含退款与全额退款订单）", "counted orders: no refunds, none refunded in full",
           "orders"),
    _amount("spend_amount", "累计净消费金额", "lifetime spend net of refunds"),
    _amount("gross_amount", "累计消费总额（退款前）", "lifetime spend before refunds"),
    _count("refund_count", "退款笔数", "refunds", "refunds"),
    _amount("refund_amount", "退款金额（正数）", "amount refunded, positive"),
    _number("refund_share", "退款占消费总额比例", "refunds as a share of spend before refunds", "0-1",
            ("没有消费", "no spend")),
    _amount("discount_amount", "累计优惠金额", "discounts granted"),
    _number("discount_share", "优惠占原价比例", "discounts as a share of what would have been paid without them", "0-1",
            ("没有消费", "no spend")),
    *(column for days in WINDOWS for column in (
        _count(f"order_count_{days}d", f"近{days}天订单数", f"orders of the last {days} days", "orders"),
        _amount(f"spend_amount_{days}d", f"近{days}天净消费金额", f"spend net of refunds of the last {days} days"),
    )),
    *(column for days in BEFORE for column in (
        _count(f"order_count_{days}d_before", f"近{days}天之前的{days}天订单数",
               f"orders of the {days} days before the last {days}", "orders"),
        _amount(f"spend_amount_{days}d_before", f"近{days}天之前的{days}天净消费金额",
                f"spend net of refunds of the {days} days before the last {days}"),
        _number(f"order_trend_{days}d", f"订单数变化趋势：（近{days}天－此前{days}天）／两者之和",
                f"trend of orders: (last {days} days - {days} days before) / sum of both", "-1 to 1", _NEITHER),
        _number(f"spend_trend_{days}d", f"净消费变化趋势：（近{days}天－此前{days}天）／两者绝对值之和",
                f"trend of spend: (last {days} days - {days} days before) / sum of both absolute values",
                "-1 to 1", _NEITHER),
    )),
    # rhythm
    _count("order_day_count", "有购买的天数", "distinct days with a counted order", "days"),
    _count("gap_count", "购买间隔数", "gaps between days with a counted order", "gaps"),
    _number("gap_mean_days", "平均购买间隔天数", "mean gap between days with a counted order", "days", _NO_GAP),
    _number("gap_spread_days", "购买间隔天数的标准差（总体，至少两个间隔）",
            "standard deviation of the gaps between days with a counted order (population, from two gaps on)", "days",
            ("购买间隔不足两个", "fewer than two gaps")),
    _number("silence_ratio", "静默期与自身购买节奏之比（距最近购买天数／平均购买间隔）",
            "silence against the customer's own rhythm: recency / mean gap", "gaps", _NO_GAP),
    # basket and preferences
    _number("basket_mean_amount", "客单价（累计）", "mean amount of a counted order", "currency", _NO_ORDER),
    _number("basket_mean_amount_365d", "近365天客单价", "mean amount of a counted order of the last 365 days",
            "currency", ("近365天没有订单", "no order in the window")),
    _number("basket_mean_amount_365d_before", "近365天之前的365天客单价",
            "mean amount of a counted order of the 365 days before the last 365", "currency",
            ("该时段没有订单", "no order in the window")),
    _count("channel_count", "使用过的购买渠道数", "sales channels bought through", "channels"),
    Column("channel_top", TEXT, "最常用购买渠道（并列取字典序首位）",
           "channel of most orders; ties to the first in binary order", "",
           "渠道未知", "no order with a known channel"),
    _number("channel_top_share", "最常用购买渠道的订单占比",
            "share of the channel of most orders among orders with a known channel", "0-1",
            ("渠道未知", "no order with a known channel")),
    _count("category_count", "购买过的品类数", "product categories bought", "categories"),
    Column("category_top", TEXT, "最常购品类（并列取字典序首位）",
           "category of most lines; ties to the first in binary order", "",
           "品类未知", "no line with a known category"),
    _number("category_top_share", "最常购品类的明细行占比",
            "share of the category of most lines among lines with a known category", "0-1",
            ("品类未知", "no line with a known category")),
    # contacts
    *(column for days in BEFORE for column in (
        _count(f"interaction_in_count_{days}d", f"近{days}天客户主动互动次数",
               f"contacts from the customer in the last {days} days", "contacts"),
        _count(f"interaction_out_count_{days}d", f"近{days}天企业主动互动次数",
               f"contacts to the customer in the last {days} days", "contacts"),
        _count(f"complaint_count_{days}d", f"近{days}天投诉次数", f"complaints of the last {days} days", "complaints",
               SENSITIVE),
    )),
    _number("first_response_hours_mean_365d", "近365天平均首次响应时长",
            "mean hours from the customer's contact to the first human reply, answered contacts of the last 365 days",
            "hours", ("没有已答复的来访", "no answered contact"), SENSITIVE),
    _number("resolution_hours_mean_365d", "近365天平均解决时长",
            "mean hours from the customer's contact to its resolution, resolved contacts of the last 365 days", "hours",
            ("没有已解决的来访", "no resolved contact"), SENSITIVE),
    _number(f"customer_reply_hours_mean_{REPLY_DAYS}d", f"近{REPLY_DAYS}天客户回应我方的平均时长",
            f"mean hours from a contact to the customer to the next one from him within {REPLY_WITHIN_DAYS} days, "
            f"contacts of the last {REPLY_DAYS} days", "hours", ("没有回应", "no reply"), SENSITIVE),
    _number(f"customer_reply_hours_mean_{REPLY_DAYS}d_before",
            f"近{REPLY_DAYS}天之前的{REPLY_DAYS}天客户回应我方的平均时长",
            f"mean hours from a contact to the customer to the next one from him within {REPLY_WITHIN_DAYS} days, "
            f"contacts of the {REPLY_DAYS} days before the last {REPLY_DAYS}", "hours",
            ("没有回应", "no reply"), SENSITIVE),
    _count("event_count_90d", "近90天行为事件数", "events on site, app and campaigns in the last 90 days", "events"),
    # feedback
    _count("survey_answered_count", "已回答题数", "answered questions", "questions", SENSITIVE),
    _number("survey_score_mean", "问卷平均得分（各量表折算为0-1）", "mean score, every scale brought to 0-1", "0-1",
            ("没有回答", "no answer"), SENSITIVE),
    _number("survey_score_last", "最近一次问卷得分（0-1）", "score of the latest answered questionnaire", "0-1",
            ("没有回答", "no answer"), SENSITIVE),
    # opportunities
    Column("opportunity_stage", TEXT, "最近进入的商机阶段", "stage of an opportunity entered last", "",
           "没有商机", "no opportunity"),
    _count("opportunity_open_count", "进行中的商机数", "opportunities not closed", "opportunities"),
    _count("opportunity_won_count", "赢单商机数", "opportunities won", "opportunities"),
    # contracts
    _count("contract_count", "已签合同数", "contracts begun", "contracts"),
    _count("contract_active_count", "执行中的合同数", "contracts running on the last included day", "contracts"),
    Column("contract_end_date", DATE, "最晚合同到期日", "latest agreed end of a contract", "",
           "没有合同", "no contract"),
    _number("contract_days_left", "距最晚合同到期天数（已到期为负）",
            "days to the latest agreed end of a contract, negative when past", "days",
            ("没有合同", "no contract")),
)  # fmt: skip

PERIODS = (
    CUSTOMER_ID,
    Column("quarter", TEXT, "季度", "quarter, such as 2025Q3 or FY26Q1"),
    Column("quarter_start", DATE, "季度首日", "first day of the quarter"),
    _count("order_count", "订单数", "counted orders", "orders"),
    _amount("counted_amount", "计入订单的金额", "amount of the counted orders"),
    _amount("gross_amount", "消费总额（退款前）", "spend before refunds"),
    _count("refund_count", "退款笔数", "refunds", "refunds"),
    _amount("refund_amount", "退款金额（正数，计入退款当季）", "refunds, positive, in the quarter of the refund"),
    _amount("spend_amount", "净消费金额", "spend net of refunds"),
    _amount("discount_amount", "优惠金额", "discounts granted"),
    _count("interaction_in_count", "客户主动互动次数", "contacts from the customer", "contacts"),
    _count("interaction_out_count", "企业主动互动次数", "contacts to the customer", "contacts"),
    _count("complaint_count", "投诉次数", "complaints", "complaints", SENSITIVE),
)  # fmt: skip

FEATURES_SCHEMA = schema_of(FEATURES)
PERIODS_SCHEMA = schema_of(PERIODS)
