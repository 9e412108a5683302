"""The sheets of the workbook as tables: what each shows of the results, in which order (REQUIREMENTS S12, C4, T9)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from crm_analysis.base.metrics import METRICS
from crm_analysis.base.settings import Target
from crm_analysis.base.words import Words
from crm_analysis.churn.contributions import format_reasons
from crm_analysis.churn.signals import SIGNALS
from crm_analysis.evaluation.breakdown import WHOLE
from crm_analysis.evaluation.display import value_message
from crm_analysis.segmentation.ranks import ranked_tiers
from crm_analysis.strategy.table import format_strategy
from crm_analysis.workspace import Workspace

STRATEGY_TEXTS = ("frequency", "service", "resources", "owner", "due")
#: Figures that tiers are decided by, beside those of the scores.
RECENT = ("order_count_90d", "spend_amount_90d", "order_count_365d", "spend_amount_365d")
#: Columns that staff fill in, by sheet: all but the remark are chosen from a list.
INPUTS: Mapping[str, tuple[str, ...]] = {
    "warning_list": ("task_status", "task_outcome", "learnt_reason", "task_remark"),
    "priority_customers": ("task_status", "task_outcome", "task_remark"),
    "unattended_customers": ("task_status", "task_outcome", "task_remark"),
}
#: What stands beside each signal: the customer's own past and now, never the probability of its test.
_SIGNAL_NUMBERS: Mapping[str, tuple[str, ...]] = {
    "frequency_down": ("yearly_rate_before", "yearly_rate_now"),
    "silence": ("silence_ratio",),
    "basket_down": ("basket_change_rate",),
    "reply_slower": ("reply_hours_before", "reply_hours_now"),
    "complaints": ("complaint_count",),
    "survey_drop": ("survey_drop_score",),
    "contract_end": ("contract_days_left",),
    "contact_changed": ("change_count",),
}


@dataclass(frozen=True)
class Sheet:
    """A sheet: its name, the rows, and how many rows there are in all."""

    name: str
    rows: pd.DataFrame
    total: int

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns that staff fill in."""
        return INPUTS.get(self.name, ())


def whole_sheet(name: str, rows: pd.DataFrame) -> Sheet:
    """Return a sheet of all rows."""
    return Sheet(name, rows, len(rows))


# -- customers ---------------------------------------------------------------------------------------------------------


def by_tier(ws: Workspace) -> pd.DataFrame:
    """Return the customers tier by tier, the best tier and the largest spenders first."""
    rows = ws.result("segments").merge(ws.frame("features", ["customer_id", *RECENT]), on="customer_id")
    rows = rows.merge(ws.frame("tiers", ["customer_id", "raw_tier", "is_held", "is_overridden"]), on="customer_id")
    order = dict.fromkeys([*ranked_tiers(ws.settings.segmentation), *sorted(rows["tier"].unique())])
    places = {tier: place for place, tier in enumerate(order)}
    keyed = rows.assign(place=rows["tier"].map(places), most=-rows["spend_amount"])
    ordered = keyed.sort_values(["place", "most", "customer_id"], ignore_index=True)
    return _first(ordered[list(rows.columns)], "customer_id", "tier", "raw_tier", "is_held", "is_overridden")


def warned(ws: Workspace, *, words: Mapping[str, Words]) -> pd.DataFrame:
    """Return the warning list with its reasons, signals and the action of the strategy as texts, in both languages.

    Notes
    -----
    ``signals_shown`` names the signals of ``churn_signals`` that hold of the customer; it and ``signal_count`` are
    empty where the signals of a customer are not judged.
    """
    rows, found = ws.result("warning_list"), ws.result("churn_reasons")
    said = [format_reasons(found, words=spoken).set_index("customer_id")["reasons"] for spoken in words.values()]
    reasons = [rows["customer_id"].map(texts).astype("str").fillna("") for texts in said]
    rows = rows.assign(reasons=["\n".join(filter(None, pair)) for pair in zip(*reasons, strict=True)])
    actions = {
        tier: _stacked(_told(f"strategy.{tier}.service", spoken) for spoken in words.values())
        for tier in rows["suggested_action"].dropna().unique()
    }
    rows["suggested_action"] = rows["suggested_action"].map(actions)
    rows = rows.merge(name_signals(ws.result("churn_signals"), words=words), on="customer_id", how="left")
    rows = rows[[name for name in rows if not name.startswith("churn_reason_")]]
    return _first(rows, "customer_id", "loss_rank", "tier", "recency_days", "signal_count", "signals_shown", "reasons",
                  "suggested_action", "due_date")  # fmt: skip


def name_signals(signals: pd.DataFrame, *, words: Mapping[str, Words]) -> pd.DataFrame:
    """Return how many signals each customer shows, and their names in all languages, one under the other.

    columns of ``SIGNALS_SCHEMA`` -> ``customer_id, signal_count, signals_shown``
    """
    flags = {name: signals[f"is_{name}"].astype("boolean").fillna(False).to_numpy(dtype=bool) for name in SIGNALS}
    texts = []
    for place in range(len(signals)):
        shown = [name for name in SIGNALS if flags[name][place]]
        texts.append(_stacked(each.join([each.word(f"signal.{name}") for name in shown]) for each in words.values()))
    return signals[["customer_id", "signal_count"]].assign(signals_shown=pd.Series(texts, signals.index, dtype="str"))


def signalled(ws: Workspace) -> pd.DataFrame:
    """Return the customers who show a risk signal, those with most of them first, each signal with its own numbers."""
    rows = ws.result("churn_signals")
    shown = rows.loc[rows["signal_count"] > 0]
    shown = shown.merge(ws.frame("segments", ["customer_id", "tier"]), on="customer_id", how="left")
    shown = shown.sort_values(["signal_count", "customer_id"], ascending=[False, True], ignore_index=True)
    beside = [column for name in SIGNALS for column in (f"is_{name}", *_SIGNAL_NUMBERS[name])]
    return shown[["customer_id", "tier", "signal_count", *beside]]


def _first(rows: pd.DataFrame, *names: str) -> pd.DataFrame:
    return rows[[*names, *(name for name in rows.columns if name not in names)]]


# -- tiers, owners, KPIs -----------------------------------------------------------------------------------------------


def scorecard_of(ws: Workspace, dimension: str, *, words: Mapping[str, Words]) -> Sheet:
    """Return the KPIs of every tier or owner, part by part, beside the value of the whole company."""
    rows = ws.result("kpi_breakdown")
    whole = rows.loc[rows["dimension"] == WHOLE].set_index("kpi")["value"]
    parts = rows.loc[rows["dimension"] == dimension]
    shown = ["kpi", "unit", "value", "low", "high", "target", "attainment_share", "n", "status"]
    table = parts[["part", *shown]].rename(columns={"part": dimension})
    table.insert(4, "company_value", table["kpi"].map(whole))
    order = {part: place for place, part in enumerate(dict.fromkeys(table[dimension]))}
    ordered = table.sort_values(dimension, key=lambda parts: parts.map(order), kind="stable", ignore_index=True)
    return whole_sheet(f"scorecard_{dimension}", with_owner(ordered, words=words))


def strategy_of(ws: Workspace, *, words: Mapping[str, Words]) -> Sheet:
    """Return the strategy of every tier, its texts in both languages one under the other."""
    spoken = [format_strategy(ws.result("strategy_table"), words=each) for each in words.values()]
    both = spoken[0].copy()
    for name in STRATEGY_TEXTS:
        both[name] = ["\n".join(dict.fromkeys(texts)) for texts in zip(*(each[name] for each in spoken), strict=True)]
    return whole_sheet("strategy_table", both)


def responsibilities_of(ws: Workspace, *, words: Mapping[str, Words]) -> Sheet:
    """Return who answers for whom, with the role, the day and the targets of the tier in both languages."""
    rows = with_owner(ws.result("responsibilities"), words=words)
    texts: dict[str, Callable[[str, Words], str]] = {
        "role_in_charge": lambda tier, spoken: _told(f"strategy.{tier}.owner", spoken),
        "due": lambda tier, spoken: _told(f"strategy.{tier}.due", spoken),
        "targets": lambda tier, spoken: _targets(ws.settings.evaluation.targets, tier=tier, words=spoken),
    }
    for name, told in texts.items():
        each = {tier: _stacked(told(tier, spoken) for spoken in words.values()) for tier in rows["tier"].unique()}
        rows = rows.assign(**{name: rows["tier"].map(each)})
    return whole_sheet("responsibilities", _first(rows, "tier", "role_in_charge", "owner"))


def with_owner(rows: pd.DataFrame, *, words: Mapping[str, Words]) -> pd.DataFrame:
    """Return rows whose ``owner``, where there is such a column, is said to be missing instead of blank."""
    if "owner" not in rows:
        return rows
    nobody = " ".join(spoken.word("workbook.nobody") for spoken in words.values())
    return rows.assign(owner=rows["owner"].astype("object").where(rows["owner"].notna(), nobody))


def _stacked(texts: Iterable[str]) -> str:
    """Return a text of every language, one under the other, once where they are the same."""
    return "\n".join(dict.fromkeys(texts))


def _told(id_: str, words: Words) -> str:
    return words.word(id_) if words.has(id_) else ""


def _targets(targets: Sequence[Target], *, tier: str, words: Words) -> str:
    """Return the targets that settings give for a tier; those for all customers stand in the scorecard."""
    lines = []
    for target in (target for target in targets if target.tier == tier):
        metric = METRICS[target.kpi]
        if target.relative:
            lines.append(f"{words.word(metric.name)} {words.say('target.relative', change=target.value)}")
            continue
        sign = "≥" if metric.direction == "up" else "≤"
        lines.append(f"{words.word(metric.name)} {sign} {words.say(value_message(target.value, unit=metric.unit))}")
    return "\n".join(lines)
