"""The data dictionary ``data/README.md``, written from the schema, so that it cannot say anything else."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from crm_analysis.sources.columns import FEATURES, PERIODS, Column, Kind
from crm_analysis.sources.mapping import local_columns
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

A source is a CSV or Parquet file, a folder or a glob of them, or a table of a DuckDB file, which is only ever read
(`path: crm.duckdb, table: sales.orders`). CSV: `delimiter`, `encoding` (utf-8, utf-16, gbk, gb18030), `decimal` and
`date_format` are settings; rows that do not fit the heading go to quarantine as `malformed_row` with their text.
Amounts in another `currency` need `data.rates`, a file of `currency`, `valid_from` and `rate` (reporting currency for
one unit); without a rate they go to quarantine as `no_rate`. Repeated and skipped hours of summer time are counted.
With `customers_history`, overwritten fields of customers are known for the past.
"""


def data_dictionary() -> str:
    """Return the data dictionary as Markdown: every table and field of the contract, features and periods."""
    parts = [_HEAD, *(_table(table) for table in TABLES.values())]
    parts.append(
        _derived(
            "features",
            "客户特征",
            "One row per customer that exists at the day of the report (`as_of`, exclusive).",
            FEATURES,
        )
    )
    parts.append(
        _derived(
            "customer_periods",
            "客户季度汇总",
            "One row per customer and quarter with something in it.",
            PERIODS,
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


def _derived(name: str, zh: str, purpose: str, columns: Sequence[Column]) -> str:
    heads = ("column", "zh", "en", "type", "unit", "empty when", "sensitivity")
    rows = [
        _row(f"`{column.name}`", column.zh, column.en, column.type, column.unit, _empty(column), column.sensitivity)
        for column in columns
    ]
    return "\n".join(
        [f"## {name} · {zh} (derived)", "", purpose, "", _row(*heads), _row(*("---" for _ in heads)), *rows, ""]
    )


def _empty(column: Column) -> str:
    """Return what an empty cell means, or that there is none."""
    if column.kind in {Kind.COUNT, Kind.AMOUNT}:
        return "never (0) · 无空值"
    return f"{column.null_en} · {column.null_zh}" if column.null_en else "never · 无空值"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
