"""Opening a workspace: settings, quarter, words and the graph of results put together."""

import json
from datetime import date
from pathlib import Path

import ibis
import pandas as pd

from crm_analysis.base.errors import DataError, Problem, SettingsError
from crm_analysis.base.period import Quarter, latest_covered_quarter
from crm_analysis.base.settings import Settings, load_settings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.graph import RESULTS
from crm_analysis.sources.schema import field_names
from crm_analysis.strategy.names import strategy_names
from crm_analysis.workspace import Shared, Workspace, code_fingerprint, digest


def open_workspace(
    config: str | Path,
    *,
    quarter: str | Quarter = "latest",
    lang: str = "zh",
    today: date | None = None,
    refresh: bool = False,
) -> Workspace:
    """Return the workspace of a settings file.

    Parameters
    ----------
    config
        Path of ``crm.yml``.
    quarter
        ``2025Q3``, ``FY26Q1``, or ``latest``: the newest quarter whose end the orders reach.
    today
        Orders dated later are left out of ``latest``.
    refresh
        Compute every result again, whatever the cache holds.

    Raises
    ------
    SettingsError
        Settings or parameters cannot be used; all problems at once.
    DataError
        Input files cannot be used.
    """
    path = Path(config)
    settings = load_settings(path)
    if lang not in LANGUAGES:
        raise SettingsError(Problem(f"{lang!r} is not a language of the reports", "lang", "use zh or en"))
    folder = path.resolve().parent
    shared = Shared(folder=folder, cache=folder / settings.cache, results=RESULTS, refresh=refresh)
    first_month = settings.fiscal_year_first_month
    fixed = None
    if isinstance(quarter, Quarter):
        fixed = quarter
    elif quarter != "latest":
        fixed = Quarter.parse(quarter, first_month=first_month)
    words = Words(lang, names=_names(settings), currency=settings.currency)
    ws = Workspace(settings, fixed or Quarter.containing(date.max, first_month=first_month), words, shared)
    first, newest = order_range(ws, today=today)
    if fixed is None:
        tolerance = settings.data.coverage_tolerance_days
        fixed = latest_covered_quarter(newest, tolerance_days=tolerance, first_month=first_month)
    if fixed.end <= first:
        what = f"{fixed} ends before the first order ({first})"
        raise DataError(Problem(what, "quarter", f"ask for a quarter from {Quarter.containing(first)} on"))
    if fixed.start > newest:
        what = f"{fixed} begins after the newest order ({newest})"
        raise DataError(Problem(what, "quarter", "ask for an earlier quarter, or 'latest'"))
    return ws.at(fixed)


def order_range(ws: Workspace, *, today: date | None = None) -> tuple[date, date]:
    """Return the local dates of the first and the newest order, later ones than ``today`` left out."""
    key = digest(json.dumps([dict(ws.files), ws.settings.data.model_dump(mode="json"), code_fingerprint(),
                              ws.settings.timezone, str(today)], sort_keys=True))  # fmt: skip
    path = ws.shared.cache / "ranges" / f"{key}.json"
    if not path.is_file():
        orders = ws.loaded.tables["orders"]
        if today is not None:
            orders = orders.filter(orders.ordered_on <= ibis.literal(today))
        found = orders.aggregate(first=orders.ordered_on.min(), newest=orders.ordered_on.max()).to_pandas().iloc[0]
        if pd.isna(found["newest"]):
            raise DataError(Problem("every order is dated after today", "orders.ordered_at", "mend the dates"))
        path.parent.mkdir(parents=True, exist_ok=True)
        days = [str(pd.Timestamp(found[end]).date()) for end in ("first", "newest")]
        path.write_text(json.dumps(days), "utf-8")
    first, newest = json.loads(path.read_text("utf-8"))
    return date.fromisoformat(first), date.fromisoformat(newest)


def _names(settings: Settings) -> dict[str, dict[str, str]]:
    given = {id_: name.model_dump() for id_, name in settings.names.items()}
    return field_names() | strategy_names(settings.strategy) | given
