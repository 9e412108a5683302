"""The frozen cut points of a company: which file holds for a quarter, and when it is written.

They are those of the first day of the fiscal year, known from the quarter before it, and are kept beside the settings
file. Where that day has too little data nothing is written, and quarters of the year have their own.
"""

from typing import Any

import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.segmentation.cuts import freezable, frozen_parts
from crm_analysis.segmentation.frozen import FOLDER, frozen_document, read_frozen, write_frozen
from crm_analysis.segmentation.segments import feature_columns
from crm_analysis.workspace import Workspace

Document = dict[str, Any]


def frozen_cuts(ws: Workspace) -> Document:
    """Return the content of the frozen file of the quarter's fiscal year, which is written when it is absent.

    Empty where settings freeze nothing, or where the first day of the year has too little data.

    Raises
    ------
    SettingsError
        The file is malformed, was made with other settings, or cannot be written.
    """
    settings = ws.settings.segmentation.rfm
    if not frozen_parts(settings):
        return {}
    year = str(ws.quarter).partition("Q")[0]
    path = ws.shared.folder / FOLDER / f"{year}.json"

    def document(populations: Document) -> Document:
        start = ws.quarter.year_start
        return frozen_document(populations, year=year, as_of=start, settings=settings, currency=ws.settings.currency)

    if path.is_file() and not ws.shared.refreeze:
        return read_frozen(path, expected=document({}))
    first = Quarter(ws.quarter.year, 1, ws.quarter.first_month)
    populations = ws.at(first.shift(-1)).result("freezable_cuts")["populations"]
    if not populations:
        path.unlink(missing_ok=True)
        return {}
    frozen = document(populations)
    write_frozen(frozen, path)
    return frozen


def freezable_cuts(ws: Workspace) -> Document:
    """Return the cut points as of the end of the quarter: ``{"populations": {kind: {cuts, split}}}``."""
    settings = ws.settings.segmentation
    first = pd.Timestamp(ws.loaded.tables["orders"].ordered_on.min().to_pandas())
    if (pd.Timestamp(ws.as_of) - first).days <= settings.rfm.minimum_history_days:
        return {"populations": {}}
    features = ws.frame("features", feature_columns(settings))
    return {"populations": freezable(features, settings=settings.rfm)}
