"""Opening a workspace: settings, quarter, words and the graph of results put together."""

import json
from datetime import date
from pathlib import Path

from crm_analysis.base.errors import DataError, Problem, SettingsError
from crm_analysis.base.period import Quarter, latest_covered_quarter
from crm_analysis.base.settings import Settings, load_settings
from crm_analysis.base.settings_file import SettingsFile, mapping_at
from crm_analysis.base.settings_names import check_strategy, check_targets
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.evaluation.measures import measure_names
from crm_analysis.freezing import frozen_cuts
from crm_analysis.graph import RESULTS
from crm_analysis.segmentation.ranks import check_ranks
from crm_analysis.segmentation.rules import check_table
from crm_analysis.segmentation.scheme_checks import check_schemes
from crm_analysis.segmentation.schemes import scheme_names
from crm_analysis.segmentation.tiers import tier_names
from crm_analysis.sources import coverage
from crm_analysis.sources.naming import check_completeness_fields, check_data_names
from crm_analysis.sources.schema import field_names
from crm_analysis.strategy.names import strategy_names
from crm_analysis.workspace import Shared, Workspace, code_fingerprint, digest


def open_settings(config: str | Path) -> Settings:
    """Return the settings of a file, with all names in it checked: tables, fields, KPIs, tiers, packages needed.

    Raises
    ------
    SettingsError
        Everything that is wrong and can be known without reading data.
    """
    checks = (check_data_names, check_completeness_fields, check_table, check_schemes, _check_tiers, _check_extras)
    return load_settings(Path(config), checks=checks)


def _check_tiers(file: SettingsFile) -> list[Problem]:
    tiers = tier_names(file.merged)
    return [*check_targets(file, tiers=tiers), *check_strategy(file, tiers=tiers), *check_ranks(file, tiers=tiers)]


def _check_extras(file: SettingsFile) -> list[Problem]:
    """Return the packages that the settings need and that are not installed, before anything runs."""
    place = ("churn", "value")
    if mapping_at(file.merged, *place).get("estimation") != "bayes":
        return []
    from crm_analysis.churn.purchase_bayes import missing_extra

    problem = missing_extra(file.where(*place, "estimation"))
    return [] if problem is None else [problem]


def open_workspace(
    config: str | Path,
    *,
    quarter: str | Quarter = "latest",
    lang: str = "zh",
    today: date | None = None,
    refresh: bool = False,
    refreeze: bool = False,
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
    refreeze
        Write the cut points of the fiscal years anew, whatever the files in ``frozen`` hold.

    Raises
    ------
    SettingsError
        Settings or parameters cannot be used; all problems at once.
    DataError
        Input files cannot be used.
    """
    ws = open_company(config, lang=lang, refresh=refresh, refreeze=refreeze)
    return ws.at(choose_quarter(ws, quarter, today=today))


def open_company(config: str | Path, *, lang: str = "zh", refresh: bool = False, refreeze: bool = False) -> Workspace:
    """Return the workspace of a settings file at no quarter in particular; nothing is read yet.

    Raises
    ------
    SettingsError
        Settings or language cannot be used; all problems at once.
    """
    path = Path(config)
    settings = open_settings(path)
    if lang not in LANGUAGES:
        raise SettingsError(Problem(f"{lang!r} is not a language of the reports", "lang", "use zh or en"))
    folder = path.resolve().parent
    shared = Shared(
        folder=folder, cache=folder / settings.cache, results=RESULTS, refresh=refresh, freeze=frozen_cuts,
        refreeze=refreeze,
    )  # fmt: skip
    words = Words(lang, names=_names(settings), currency=settings.currency)
    far = Quarter.containing(date.max, first_month=settings.fiscal_year_first_month)
    return Workspace(settings, far, words, shared)


def choose_quarter(ws: Workspace, quarter: str | Quarter = "latest", *, today: date | None = None) -> Quarter:
    """Return the quarter that is asked for, by name or as ``latest``.

    Raises
    ------
    SettingsError
        The text is no quarter.
    DataError
        The orders do not touch it, or no quarter is finished.
    """
    first_month = ws.settings.fiscal_year_first_month
    chosen = None
    if isinstance(quarter, Quarter):
        chosen = quarter
    elif quarter != "latest":
        chosen = Quarter.parse(quarter, first_month=first_month)
    first, newest = order_range(ws, today=today)
    if chosen is None:
        tolerance = ws.settings.data.coverage_tolerance_days
        chosen = latest_covered_quarter(newest, tolerance_days=tolerance, first_month=first_month, today=today)
        if chosen.end <= first:
            begun = Quarter.containing(first, first_month=first_month)
            fix = f"wait for the end of {begun}, or ask for it by name as an unfinished quarter: --quarter {begun}"
            raise DataError(Problem(f"no quarter is finished: orders run from {first} to {newest}", "quarter", fix))
    if chosen.end <= first:
        what = f"{chosen} ends before the first order ({first})"
        fix = f"ask for a quarter from {Quarter.containing(first, first_month=first_month)} on"
        raise DataError(Problem(what, "quarter", fix))
    if chosen.start > newest:
        what = f"{chosen} begins after the newest order ({newest})"
        raise DataError(Problem(what, "quarter", "ask for an earlier quarter, or 'latest'"))
    return chosen


def order_range(ws: Workspace, *, today: date | None = None) -> tuple[date, date]:
    """Return the local dates of the first and the newest order, later ones than ``today`` left out.

    Raises
    ------
    DataError
        Data cannot be used, or every order is dated after today.
    """
    key = digest(json.dumps([dict(ws.files), ws.settings.data.model_dump(mode="json"), code_fingerprint(),
                              ws.settings.timezone, str(today)], sort_keys=True))  # fmt: skip
    path = ws.shared.cache / "ranges" / f"{key}.json"
    if not path.is_file():
        found = coverage.order_range(ws.loaded.tables["orders"], until=today)
        if found is None:
            raise DataError(Problem("every order is dated after today", "orders.ordered_at", "mend the dates"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([day.isoformat() for day in found]), "utf-8")
    first, newest = json.loads(path.read_text("utf-8"))
    return date.fromisoformat(first), date.fromisoformat(newest)


def _names(settings: Settings) -> dict[str, dict[str, str]]:
    given = {id_: name.model_dump() for id_, name in settings.names.items()}
    own = scheme_names(settings.segmentation.schemes)
    return field_names() | own | strategy_names(settings.strategy) | measure_names(settings.evaluation.measures) | given
