"""Texts of the strategy rows: they come from settings, in both languages, and reach reports as words."""

from crm_analysis.base.settings import StrategySettings

DIMENSIONS = ("frequency", "service", "resources", "owner", "due")


def strategy_names(settings: StrategySettings) -> dict[str, dict[str, str]]:
    """Return the texts of the rows by word id and language: ``{"strategy.vip.service": {"zh": ..., "en": ...}}``."""
    return {
        f"strategy.{row.tier}.{dimension}": getattr(row, dimension).model_dump()
        for row in settings.rows
        for dimension in DIMENSIONS
    }
