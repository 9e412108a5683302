"""Settings: presets layered under the user's ``crm.yml``, checked as a whole, frozen.

Every threshold of REQUIREMENTS is a field here with its default in ``presets/<preset>.yml`` (or below). An unknown key
or a wrong value gives one message with all problems and the nearest valid names.
"""

import difflib
import re
from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from crm_analysis.base.errors import Problem, SettingsError
from crm_analysis.base.words import LANGUAGES

Preset = Literal["retail", "b2b", "services", "finance"]
PRESETS = get_args(Preset)
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Days = Annotated[int, Field(ge=1)]
Range = tuple[Annotated[int, Field(ge=1, le=5)], Annotated[int, Field(ge=1, le=5)]]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Name(_Frozen):
    """A name in both languages."""

    zh: str
    en: str


class TableSource(_Frozen):
    """Where a canonical table comes from.

    Attributes
    ----------
    path
        File, or glob of files of the same columns, relative to the settings file; CSV or Parquet.
    columns
        ``{canonical field: heading in the file}`` for headings that differ from the canonical names.
    constants
        ``{canonical field: value}`` for fields that the file lacks but that are the same for all rows.
    values
        ``{canonical field: {value in the file: canonical value}}``.
    row_id
        Canonical field to fill with the number of the row, where the file has no such id (every row is one order).
    """

    path: str
    row_id: str | None = None
    columns: dict[str, str] = {}
    constants: dict[str, str | int | float | bool] = {}
    values: dict[str, dict[str, str]] = {}
    delimiter: str = ","
    encoding: Literal["utf-8", "gbk", "gb18030"] = "utf-8"
    date_format: str | None = None


class OrderLines(_Frozen):
    """Orders declared from invoice lines: grouped by ``order_id``, amounts summed, earliest time kept.

    The source is read like a table; its lines become ``order_items``.

    Attributes
    ----------
    amount
        ``quantity_times_price`` when the file has no amount per line.
    refund_prefix
        Order ids that begin with it are refunds (credit notes).
    """

    path: str
    columns: dict[str, str] = {}
    delimiter: str = ","
    encoding: Literal["utf-8", "gbk", "gb18030"] = "utf-8"
    date_format: str | None = None
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
    """

    tables: dict[str, TableSource] = {}
    exported_on: date | None = None
    void_statuses: tuple[str, ...] = ("cancelled", "void")
    order_lines: OrderLines | None = None
    memory_limit: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)? ?([KMGT]i?B|%)$")] = "4GB"
    coverage_tolerance_days: Annotated[int, Field(ge=0)] = 7
    earliest_date: date = date(1990, 1, 1)

    @model_validator(mode="after")
    def _orders_once(self) -> "DataSettings":
        if self.order_lines is not None and "orders" in self.tables:
            raise ValueError("give either tables.orders or order_lines, not both")
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


class SegmentRule(_Frozen):
    """One row of a segment table: score ranges on recency, frequency and monetary value, ends included."""

    id: str
    r: Range = (1, 5)
    f: Range = (1, 5)
    m: Range = (1, 5)


class RFMSettings(_Frozen):
    """RFM for segments (S1).

    Attributes
    ----------
    method
        ``quantiles``: bins by value, equal values never split; ``rfm_r``: the R package's cut points (type-7 quantiles
        plus one, bins ``[lower, upper)``).
    window_days
        Orders and amounts counted; ``None`` is all history.
    table
        Ordered rules, first match wins; ``ten`` covers all 125 cells, ``rfm_r`` is the published table.
    split
        Where "high" begins for the eight types.
    """

    method: Literal["quantiles", "rfm_r"] = "quantiles"
    window_days: Days | None = None
    table: Literal["ten", "rfm_r"] | tuple[SegmentRule, ...] = "ten"
    otherwise: str = "others"
    split: Literal["mean", "median"] = "mean"
    minimum_buyers: Annotated[int, Field(ge=2)] = 50
    minimum_history_days: Days = 180


class LifecycleSettings(_Frozen):
    """Lifecycle stages (S2), thresholds in units of the customer's own purchase gap where not in days."""

    new_within_days: Days = 90
    own_gap_quantile: Share = 0.75
    prior_gaps: Positive = 3.0
    declining_after: Positive = 1.5
    dormant_after: Positive = 2.5
    lost_after: Positive = 4.0
    minimum_lost_days: Days = 180
    growth_threshold: Share = 0.20


class SegmentationSettings(_Frozen):
    """Segmentation (S1, S2); ``primary_scheme`` keys every target, strategy and list."""

    primary_scheme: Literal["eight_types", "ten_segments"] = "eight_types"
    rfm: RFMSettings = RFMSettings()
    lifecycle: LifecycleSettings = LifecycleSettings()


class PortraitSettings(_Frozen):
    """Portraits (P1, P2)."""

    age_bands: tuple[int, ...] = (18, 25, 35, 45, 55, 65)
    tenure_bands_years: tuple[int, ...] = (1, 2, 3, 5)
    top_categories: Annotated[int, Field(ge=1)] = 6
    minimum_cell: Annotated[int, Field(ge=1)] = 10
    behaviour_days: Days = 365


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
    """Target of a KPI, for all or for one tier; the metric registry tells in which direction it is good."""

    kpi: str
    value: float
    tier: str | None = None


class EvaluationSettings(_Frozen):
    """Evaluation (E1-E10).

    Attributes
    ----------
    satisfaction_question, csat_questions, nps_question
        Values of ``surveys.question`` that the satisfaction rate, the CSAT points and the NPS are made from.
    renewal_grace_days
        Days after its end in which a contract may still be renewed; contracts are judged once they are over.
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
    renewal_grace_days: Annotated[int, Field(ge=0)] = 30


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


def load_settings(path: Path) -> Settings:
    """Return the settings of a file, its preset layered under it.

    Raises
    ------
    SettingsError
        The file is absent, is no YAML mapping, or holds unknown keys or wrong values; all problems at once.
    """
    if not path.is_file():
        fix = "name an existing file with --config, or make a demo with: crm-analysis demo data/demo"
        raise SettingsError(Problem("there is no such file", str(path), fix))
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, ValueError) as error:  # ValueError: other encodings, days such as 2025-13-01
        fix = "mend the line it names; the file must be YAML in UTF-8"
        raise SettingsError(Problem(f"it cannot be read: {error}", str(path), fix)) from error
    if not isinstance(given, Mapping):
        fix = "begin with lines such as 'company: {zh: ..., en: ...}'"
        raise SettingsError(Problem(f"it holds a {type(given).__name__}, not settings", str(path), fix))
    preset = given.get("preset", "retail")
    defaults = load_preset(preset) if preset in PRESETS else {}
    try:
        return Settings.model_validate(layer(defaults, given))
    except ValidationError as error:
        raise SettingsError([_problem(item, path) for item in error.errors()]) from error


def load_preset(name: str) -> dict[str, Any]:
    """Return the defaults of an industry as a plain mapping."""
    text = files("crm_analysis").joinpath("presets", f"{name}.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text) or {}


def layer(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``above`` laid over ``below``: mappings merge key by key, everything else is replaced.

    >>> layer({"a": {"x": 1, "y": 2}, "b": [1]}, {"a": {"y": 3}, "b": [2]})
    {'a': {'x': 1, 'y': 3}, 'b': [2]}
    """
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = layer(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _problem(item: Any, path: Path) -> Problem:
    """Return one pydantic error as what, where, fix."""
    where = f"{path.name}: " + ".".join(str(part) for part in item["loc"] if "[" not in str(part))
    if item["type"] == "extra_forbidden":
        valid = _names_beside(item["loc"])
        near = difflib.get_close_matches(str(item["loc"][-1]), valid, n=1)
        fix = f"did you mean {near[0]!r}?" if near else f"valid names here: {', '.join(sorted(valid))}"
        return Problem(f"unknown key {item['loc'][-1]!r}", where, fix)
    if item["type"] == "missing":
        return Problem("it is missing", where, f"add {item['loc'][-1]!r}")
    if item["type"] == "literal_error" and isinstance(item["input"], str):
        allowed = re.findall(r"'([^']+)'", item["ctx"]["expected"])
        near = difflib.get_close_matches(item["input"], allowed, n=1)
        fix = f"did you mean {near[0]!r}?" if near else f"allowed: {', '.join(allowed)}"
        return Problem(f"{item['input']!r} is not allowed", where, fix)
    what = f"{item['msg'].removeprefix('Value error, ')} (got {item['input']!r})"
    return Problem(what, where, "give a value of that form")


def _names_beside(loc: tuple[Any, ...]) -> list[str]:
    """Return the valid keys at the place where an unknown key was found."""
    model: Any = Settings
    for part in loc[:-1]:
        field = getattr(model, "model_fields", {}).get(part)
        candidates = [] if field is None else [field.annotation, *_nested(field.annotation)]
        nested = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if field is None:
            continue
        model = nested[0] if nested else model
    return list(getattr(model, "model_fields", {}))


def _nested(annotation: Any) -> list[Any]:
    return [leaf for arg in get_args(annotation) for leaf in [arg, *_nested(arg)]]


__all__ = ["LANGUAGES", "PRESETS", "Settings", "layer", "load_preset", "load_settings"]
