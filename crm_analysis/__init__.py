"""Quarterly CRM analysis: from customer data to segments, churn warnings, strategy and a report.

In a notebook::

    from crm_analysis import open_notebook

    ws, show = open_notebook("../data/demo/crm.yml", quarter="latest", lang="en")
    show(ws.result("ten_segment_sizes"), id="segment-sizes")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crm_analysis.opening import open_workspace as open_workspace
    from crm_analysis.reporting.show import open_notebook as open_notebook

__version__ = "0.1.0"

_LAZY = {"open_workspace": "crm_analysis.opening", "open_notebook": "crm_analysis.reporting.show"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
