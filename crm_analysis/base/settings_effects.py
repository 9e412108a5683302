"""Settings of comparisons, highlights, improvement measures and the effect of the programme (E10-E13)."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from crm_analysis.base.errors import nearest
from crm_analysis.base.metrics import METRICS
from crm_analysis.base.settings_model import Days, Frozen, Name, Positive
from crm_analysis.base.settings_schemes import Slug

KpiState = Literal["met", "missed", "growing", "not_growing"]
_WINDOW = Annotated[int, Field(ge=0, le=40)]


def _known_kpi(value: str) -> str:
    if value not in METRICS:
        raise ValueError(f"there is no KPI {value!r}; {nearest(value, METRICS, kind='KPIs')}")
    return value


class KpiCondition(Frozen):
    """A KPI and the state it is in.

    Attributes
    ----------
    state
        ``met`` or ``missed``: its target (a KPI without one is neither). ``growing`` or ``not_growing``: above the same
        quarter of last year, or not (a KPI that cannot be compared is neither).
    """

    kpi: str
    state: KpiState

    _known = field_validator("kpi")(_known_kpi)


class MeasureRule(Frozen):
    """An improvement measure, and when it is proposed (E11).

    Attributes
    ----------
    id
        Slug, unique among the rules and no id of a KPI: those name the built-in rules.
    kpi
        KPI that the measure is to improve.
    states
        States of that KPI in which the rule holds: any of them.
    conditions
        States of other KPIs that must hold, too: all of them.
    department
        Who is responsible; ``sales``, ``marketing``, ``service`` and ``data`` have words, others are shown as they are.
    due_days
        Days after the end of the quarter until which the measure is due.
    action_kinds, campaigns
        Values of ``actions.kind`` and of ``actions.campaign_id`` (``*`` stands for any text) that show the measure to
        have been done; without both it cannot be known.
    """

    id: Slug
    kpi: str
    states: Annotated[tuple[Literal["missed", "not_growing"], ...], Field(min_length=1)] = ("missed",)
    conditions: tuple[KpiCondition, ...] = ()
    measure: Name
    department: str
    due_days: Days = 30
    action_kinds: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()

    _known = field_validator("kpi")(_known_kpi)

    @field_validator("id")
    @classmethod
    def _not_built_in(cls, value: str) -> str:
        if value in METRICS:
            raise ValueError(f"{value!r} names the built-in measure of that KPI; take another id")
        return value


def unique_rules(rules: tuple[MeasureRule, ...]) -> tuple[MeasureRule, ...]:
    """Refuse rules whose ids stand twice."""
    ids = [rule.id for rule in rules]
    twice = sorted({id_ for id_ in ids if ids.count(id_) > 1})
    if twice:
        raise ValueError(f"ids of measures stand twice: {', '.join(twice)}")
    return rules


class FestivalSettings(Frozen):
    """The window around Spring Festival whose days are compared with each other (E10).

    Attributes
    ----------
    days_before, days_after
        Days before and after the first day of the lunar year; that day belongs to the window, too.
    """

    days_before: _WINDOW = 15
    days_after: _WINDOW = 15


class HighlightSettings(Frozen):
    """Highlights, shortfalls and what became of measures (E11).

    Attributes
    ----------
    noise_quarters
        Quarters, the report's included, from whose changes a KPI's usual noise is found.
    minimum_quarters
        Quarters with a value below which there is no noise to speak of.
    clear_score
        Distance in units of noise from which a highlight or shortfall, or a change after a measure, is more than the
        usual noise.
    drop_after_quarters
        Quarters in a row off target after which a measure that was done and moved nothing is dropped.
    """

    noise_quarters: Annotated[int, Field(ge=5)] = 8
    minimum_quarters: Annotated[int, Field(ge=4)] = 5
    clear_score: Positive = 2.0
    drop_after_quarters: Annotated[int, Field(ge=2)] = 3


class ProgrammeSettings(Frozen):
    """Effect of the programme, treated against held-out control (E12).

    Attributes
    ----------
    outcome_days
        Days from the assignment on in which spend and orders are the outcome; only assignments whose days are all
        known by the end of the quarter are judged.
    quarters
        Quarters, the report's included, in which the outcome of the judged campaigns became known.
    balance_days
        Days before the assignment over which the groups are compared.
    balance_limit
        Standardised difference from which groups count as unlike, where chance alone does not explain it.
    minimum_group
        Customers in the smaller of the two groups below which no effect is told.
    """

    outcome_days: Annotated[int, Field(ge=7, le=60)] = 60
    quarters: Annotated[int, Field(ge=1)] = 4
    balance_days: Days = 365
    balance_limit: Positive = 0.1
    minimum_group: Annotated[int, Field(ge=10)] = 30


class EffectsSettings(Frozen):
    """Comparisons, highlights, effect and movement (E10-E13).

    Attributes
    ----------
    minimum_cell
        Money of tiers with fewer customers is not shown.
    """

    festival: FestivalSettings = FestivalSettings()
    highlights: HighlightSettings = HighlightSettings()
    programme: ProgrammeSettings = ProgrammeSettings()
    minimum_cell: Annotated[int, Field(ge=1)] = 10
