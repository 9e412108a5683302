"""Settings: presets layered under the user's ``crm.yml``, checked as a whole, frozen.

Every threshold of REQUIREMENTS is a field here with its default in ``presets/<preset>.yml`` (or below). An unknown key
or a wrong value gives one message with all problems and the nearest valid names.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

import yaml
from pydantic import Field, field_validator, model_validator

from crm_analysis.base.settings_bridges import PortfolioSettings
from crm_analysis.base.settings_churn_model import ChurnModelSettings
from crm_analysis.base.settings_effects import EffectsSettings, MeasureRule, unique_rules
from crm_analysis.base.settings_file import SettingsFile, layer, read_settings_file
from crm_analysis.base.settings_kpis import KpiSettings, SatisfactionSettings
from crm_analysis.base.settings_model import Days, Name, Positive, Share
from crm_analysis.base.settings_model import Frozen as _Frozen
from crm_analysis.base.settings_movement import HysteresisSettings, MovementSettings
from crm_analysis.base.settings_problems import Check, check_settings
from crm_analysis.base.settings_rfm import LifecycleSettings, RFMSettings, SegmentRule
from crm_analysis.base.settings_schemes import Scheme, known_scheme, known_schemes
from crm_analysis.base.settings_service import ServiceSettings
from crm_analysis.base.settings_signals import InsightSettings
from crm_analysis.base.settings_value import ConcentrationSettings, SeparationSettings, ValueSettings
from crm_analysis.base.settings_value_models import ValueModelSettings
from crm_analysis.base.words import LANGUAGES

Preset = Literal["retail", "b2b", "services", "finance"]
PRESETS = get_args(Preset)
Encoding = Literal["utf-8", "gbk", "gb18030", "utf-16"]
ENCODINGS = get_args(Encoding)


class Source(_Frozen):
    """Where rows come from, and how they are written there.

    Attributes
    ----------
    path
        File, folder (all CSV or all Parquet files in it) or glob, relative to the settings file; CSV, Parquet, or one
        DuckDB file, which is only ever read. Columns of several files are united by name.
    table
        Table or view of a DuckDB file: ``orders`` or ``schema.orders``.
    columns
        ``{canonical field: heading in the file}`` for headings that differ from the canonical names.
    decimal
        Mark before the decimals: ``,`` for ``1.234,56``.
    date_format
        Form of dates and times in the notation of strptime, or several of them, tried in order.
    """

    path: str
    table: str | None = None
    columns: dict[str, str] = {}
    delimiter: Annotated[str, Field(pattern=r'^[^"\r\n]$')] = ","
    encoding: Encoding = "utf-8"
    decimal: Literal[".", ","] = "."
    date_format: str | tuple[str, ...] | None = None


class TableSource(Source):
    """Where a canonical table comes from.

    Attributes
    ----------
    constants
        ``{canonical field: value}`` for fields that the file lacks but that are the same for all rows.
    values
        ``{canonical field: {value in the file: canonical value}}``.
    row_id
        Canonical field to fill with the number of the row, where the file has no such id (every row is one order).
    """

    row_id: str | None = None
    constants: dict[str, str | int | float | bool] = {}
    values: dict[str, dict[str, str]] = {}


class OrderLines(Source):
    """Orders declared from invoice lines: grouped by ``order_id``, amounts summed, earliest time kept.

    The source is read like a table; its lines become ``order_items``.

    Attributes
    ----------
    amount
        ``quantity_times_price`` when the file has no amount per line.
    refund_prefix
        Order ids that begin with it are refunds (credit notes).
    """

    amount: Literal["amount", "quantity_times_price"] = "amount"
    refund_prefix: str | None = None
    require_positive: bool = True


class DataSettings(_Frozen):
    """What to read.

    Attributes
    ----------
    exported_on
        Day of the export; rows dated later are impossible and go to quarantine. Without it they are only left out.
    void_statuses
        Values of ``orders.status`` that mean the order never took place.
    rates
        Exchange rates, columns ``currency, valid_from, rate``: the reporting currency that one unit is worth from that
        day on. Needed where orders or lines are in another currency; without a rate their rows go to quarantine.
    """

    tables: dict[str, TableSource] = {}
    exported_on: date | None = None
    void_statuses: tuple[str, ...] = ("cancelled", "void")
    order_lines: OrderLines | None = None
    rates: TableSource | None = None
    memory_limit: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)? ?([KMGT]i?B|%)$")] = "4GB"
    coverage_tolerance_days: Annotated[int, Field(ge=0)] = 7
    earliest_date: date = date(1990, 1, 1)

    @model_validator(mode="after")
    def _orders_once(self) -> "DataSettings":
        if self.order_lines is not None and "orders" in self.tables:
            raise ValueError("give either tables.orders or order_lines, not both")
        if self.order_lines is not None and "order_items" in self.tables:
            raise ValueError("give either tables.order_items or order_lines, not both: lines become items")
        return self


class DiagnosisSettings(_Frozen):
    """Thresholds of the diagnosis (D1, D2)."""

    completeness_target: Share = 0.90
    field_weights: dict[str, Positive] = {}
    required_weight: Positive = 2.0
    required_fields: tuple[str, ...] = ()
    deep_fields: tuple[str, ...] = ()
    max_age_years: Annotated[int, Field(ge=1)] = 110
    stale_after_days: Days = 365


class SegmentationSettings(_Frozen):
    """Segmentation (chapter 2).

    Attributes
    ----------
    schemes
        Tiers by rule, by id (S3-S7, S9); ``presets/schemes.yml`` brings those of the guides.
    primary_scheme
        ``eight_types``, ``ten_segments`` or one of ``schemes``; it keys every target, strategy and list.
    shown_schemes
        Schemes of ``schemes`` that chapter 2 shows beside the primary one.
    """

    schemes: dict[str, Scheme] = {}
    primary_scheme: str = "eight_types"
    shown_schemes: tuple[str, ...] = ()
    rfm: RFMSettings = RFMSettings()
    lifecycle: LifecycleSettings = LifecycleSettings()
    hysteresis: HysteresisSettings = HysteresisSettings()
    movement: MovementSettings = MovementSettings()
    value: ValueSettings = ValueSettings()
    concentration: ConcentrationSettings = ConcentrationSettings()
    separation: SeparationSettings = SeparationSettings()
    #: Tiers of a scheme from best to worst, where that is not the order of its rules; tiers left out have no rank.
    tier_order: dict[str, tuple[str, ...]] = {}

    _known_primary = field_validator("primary_scheme")(known_scheme)
    _known_shown = field_validator("shown_schemes")(known_schemes)


class PortraitSettings(_Frozen):
    """Portraits (P1, P2)."""

    age_bands: tuple[int, ...] = (18, 25, 35, 45, 55, 65)
    tenure_bands_years: tuple[int, ...] = (1, 2, 3, 5)
    top_categories: Annotated[int, Field(ge=1)] = 6
    minimum_cell: Annotated[int, Field(ge=1)] = 10
    behaviour_days: Days = 365

    @field_validator("age_bands", "tenure_bands_years")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(below >= above for below, above in pairwise(value)):
            raise ValueError("the ends of bands must rise")
        return value


class ChurnSettings(_Frozen):
    """Churn for repeat purchase (C1, C2).

    History is ``[.., origin)``, the outcome ``[origin + gap, origin + gap + horizon)``.
    """

    gap_days: Annotated[int, Field(ge=0)] = 0
    horizon_days: Days = 90
    active_within_days: Days = 365
    rule_silence_days: Days = 180
    origins: Annotated[int, Field(ge=2)] = 5
    minimum_customers: Annotated[int, Field(ge=50)] = 200
    minimum_events: Annotated[int, Field(ge=10)] = 50
    list_length: Annotated[int, Field(ge=1)] = 200
    seed: int = 20250930
    value: ValueModelSettings = ValueModelSettings()
    model: ChurnModelSettings = ChurnModelSettings()
    insight: InsightSettings = InsightSettings()

    @property
    def list_capacity(self) -> int:
        """Customers on the warning list: what people can contact where that is given, else ``list_length``."""
        warning = self.model.warning
        if warning.people is not None and warning.contacts_per_person is not None:
            return warning.people * warning.contacts_per_person
        return self.list_length


class StrategyRow(_Frozen):
    """One row of the strategy table (T1): what is done for a tier, by whom, by when."""

    tier: str
    frequency: Name
    service: Name
    resources: Name
    owner: Name
    due: Name
    contacts_per_quarter: Annotated[float, Field(ge=0)]


class StrategySettings(_Frozen):
    """Strategy per tier (T1)."""

    rows: tuple[StrategyRow, ...] = ()


class Target(_Frozen):
    """Target of a KPI, for all or for one tier; the metric registry tells in which direction it is good.

    Attributes
    ----------
    relative
        ``value`` is a relative improvement on the same quarter of last year: 0.10 is 10 % better than then.
    """

    kpi: str
    value: float
    tier: str | None = None
    relative: bool = False


class EvaluationSettings(_Frozen):
    """Evaluation (E1-E10).

    Attributes
    ----------
    satisfaction_question, csat_questions, nps_question, review_question
        Values of ``surveys.question`` that the satisfaction rate, the CSAT points, the NPS and the share of positive
        reviews are made from.
    renewal_grace_days
        Days after its end in which a contract may still be renewed; contracts are judged once they are over.
    measures
        Improvement measures of the company, tried before the built-in ones; the first rule that holds decides.
    """

    targets: tuple[Target, ...] = ()
    tolerance: Share = 0.05
    trend_quarters: Annotated[int, Field(ge=2)] = 8
    first_response_hours: Positive = 4
    complaint_response_hours: Positive = 24
    resolution_hours: Positive = 72
    satisfaction_question: str = "satisfaction"
    csat_questions: tuple[str, ...] = ("professional_attitude", "resolution_efficiency", "information_completeness")
    nps_question: str = "nps"
    review_question: str = "review"
    renewal_grace_days: Annotated[int, Field(ge=0)] = 30
    satisfaction: SatisfactionSettings = SatisfactionSettings()
    kpis: KpiSettings = KpiSettings()
    effects: EffectsSettings = EffectsSettings()
    measures: tuple[MeasureRule, ...] = ()
    portfolio: PortfolioSettings = PortfolioSettings()
    service: ServiceSettings = ServiceSettings()

    _unique_measures = field_validator("measures")(unique_rules)


class ReportSettings(_Frozen):
    """Form of the outputs."""

    list_rows: Annotated[int, Field(ge=1)] = 20_000
    notebook_minutes: Positive = 5
    total_minutes: Positive = 30


class Settings(_Frozen):
    """All settings of one company."""

    company: Name
    preset: Preset = "retail"
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "CNY"
    timezone: str = "Asia/Shanghai"
    fiscal_year_first_month: Annotated[int, Field(ge=1, le=12)] = 1
    cache: str = ".cache"
    names: dict[str, Name] = {}
    data: DataSettings
    diagnosis: DiagnosisSettings = DiagnosisSettings()
    segmentation: SegmentationSettings = SegmentationSettings()
    portraits: PortraitSettings = PortraitSettings()
    churn: ChurnSettings = ChurnSettings()
    strategy: StrategySettings = StrategySettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    report: ReportSettings = ReportSettings()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no time zone; use a name such as Asia/Shanghai or Europe/Berlin") from error
        return value


def load_settings(path: Path, *, checks: Sequence[Check] = ()) -> Settings:
    """Return the settings of a file, its preset layered under it.

    Parameters
    ----------
    checks
        Further checks on the file, of names that only other parts of the package know.

    Raises
    ------
    SettingsError
        The file is absent, is no YAML mapping, or holds unknown keys or wrong values; all problems at once.
    """
    return check_settings(Settings, read_file(path), checks=checks)


def read_file(path: Path) -> SettingsFile:
    """Return a settings file as written, with the preset that it names."""
    file = read_settings_file(path)
    preset = file.values.get("preset", "retail")
    if preset not in PRESETS:
        return file
    return replace(file, preset_name=preset, preset=load_preset(preset))


def load_preset(name: str) -> dict[str, Any]:
    """Return the defaults of an industry as a plain mapping, laid over the schemes that all of them know."""
    folder = files("crm_analysis").joinpath("presets")
    schemes, own = (
        yaml.safe_load(folder.joinpath(f"{part}.yml").read_text(encoding="utf-8")) or {} for part in ("schemes", name)
    )
    return layer({"segmentation": {"schemes": schemes}}, own)


__all__ = [
    "LANGUAGES",
    "PRESETS",
    "LifecycleSettings",
    "Name",
    "RFMSettings",
    "SegmentRule",
    "Settings",
    "layer",
    "load_preset",
    "load_settings",
    "read_file",
]
