"""What a report was made from: versions, settings, fingerprints of the inputs, row counts, durations; and the index."""

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from crm_analysis import __version__
from crm_analysis.base.settings_file import mask_secrets
from crm_analysis.reporting import archive
from crm_analysis.reporting.request import Request
from crm_analysis.workspace import Workspace, code_fingerprint

PACKAGES = ("pandas", "ibis-framework", "duckdb", "scikit-learn", "seaborn", "papermill", "nbconvert")


def make_manifest(
    ws: Workspace, *, request: Request, files: Sequence[Path], seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Return the manifest of a run; holds no secret and no path outside the report."""
    report, coverage = ws.result("load_report"), ws.result("coverage")
    return {
        "quarter": str(ws.quarter),
        "quarter_end": str(ws.quarter.last_day),
        "is_partial": bool(request.only),
        "is_complete": coverage["is_complete"],
        "coverage": coverage,
        "company": ws.settings.company.model_dump(),
        "languages": list(request.languages),
        "chapters": list(request.only) or "all",
        "made_at": request.now.isoformat(timespec="seconds"),
        "files": [path.name for path in files],
        "versions": {"crm-analysis": __version__, "python": platform.python_version()}
        | {name: version(name) for name in PACKAGES},
        "code": code_fingerprint(),
        "settings": json.loads(mask_secrets(ws.settings.model_dump_json())),
        "inputs": dict(ws.files),
        "frozen": {found["fiscal_year"]: dict(found) for found in ws.shared.frozen.values() if found},
        "rows": json.loads(report.to_json(orient="records")),
        "results": [
            {
                "result": entry["result"],
                "quarter": entry["quarter"],
                "key": entry["path"].stem,
                "cached": entry["cached"],
                "seconds": round(entry["seconds"], 3),
            }
            for entry in ws.shared.log
        ],
        "seconds": dict(seconds),
    }


def save_manifest(manifest: Mapping[str, Any], folder: Path) -> Path:
    """Write ``manifest.json``."""
    path = folder / archive.MANIFEST
    path.write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return path


def save_index(reports: Path) -> Path:
    """Write ``reports/index.html`` from the manifests of all reports."""
    from crm_analysis.reporting.html import render_index

    path = reports / "index.html"
    part = reports / ".index.html"
    part.write_text(render_index(archive.list_reports(reports)), "utf-8")
    return part.replace(path)
