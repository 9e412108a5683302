"""Style sheets of reports and notebooks: tokens, weights, blocks, page."""

from functools import cache
from importlib.resources import files

from crm_analysis.base.tokens import css_variables
from crm_analysis.reporting.fonts import BOLD_CLASSES, BOLD_TAGS

TEMPLATES = "templates"


@cache
def block_sheet() -> str:
    """Return the sheet for blocks alone, for notebooks that are read by hand."""
    return css_variables() + _weights(prefix=".finding, .card strong, .missing strong") + _read("blocks.css")


@cache
def page_sheet() -> str:
    """Return the sheet of a whole page."""
    bold = ", ".join([*BOLD_TAGS, *(f".{name}" for name in BOLD_CLASSES)])
    return css_variables() + _weights(prefix=bold) + _read("blocks.css") + _read("report.css")


def _weights(*, prefix: str) -> str:
    return f"{prefix} {{ font-weight: 700; }}\n"


def _read(name: str) -> str:
    return files("crm_analysis.reporting").joinpath(TEMPLATES, name).read_text("utf-8")
