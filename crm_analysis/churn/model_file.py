"""The champion kept without pickle, and its model card (REQUIREMENTS C2).

skops writes a model as data: loading it runs no code, and types that are not on the list of trusted ones are refused.
"""

import base64
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.errors import AnalysisError, Problem
from crm_analysis.base.settings import ChurnSettings
from crm_analysis.base.words import Message, message
from crm_analysis.churn.inputs import MODEL_FEATURES
from crm_analysis.churn.model import FittedChurn

#: What a kept model may be made of beside what skops itself trusts.
TRUSTED_TYPES = (
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)
_FORMAT = 1
_DAY = (1980, 1, 1, 0, 0, 0)


def pack_model(fitted: FittedChurn) -> dict[str, Any]:
    """Return a fitted model or rule as a document: plain fields, and the estimator in the format of skops (base64).

    The same model gives the same bytes: entries carry a fixed day, and running numbers in place of addresses.
    """
    import skops.io

    return {
        "format": _FORMAT,
        "name": fitted.name,
        "intercept": fitted.intercept,
        "slope": fitted.slope,
        "features": list(MODEL_FEATURES),
        "columns": list(fitted.columns),
        "reference": [None if value != value else value for value in fitted.reference],  # NaN is unequal to itself
        "parameters": dict(fitted.parameters or {}),
        "origins": {name: list(origins) for name, origins in (fitted.origins or {}).items()},
        "row_count": fitted.row_count,
        "estimator": base64.b64encode(_steady(skops.io.dumps(fitted.estimator))).decode("ascii"),
    }


def unpack_model(document: Mapping[str, Any], *, settings: ChurnSettings) -> FittedChurn:
    """Return the fitted model of a document of :func:`pack_model`.

    Raises
    ------
    AnalysisError
        The estimator holds a type that is not trusted, or the model was made for other features.
    """
    import skops.io

    if document["format"] != _FORMAT or tuple(document["features"]) != MODEL_FEATURES:
        what = "the kept model was made for other features, or by another version"
        raise AnalysisError(Problem(what, "churn model", "fit it anew"))
    data = base64.b64decode(document["estimator"])
    strange = sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED_TYPES))
    if strange:
        raise AnalysisError(Problem(f"it holds types that are not trusted: {', '.join(strange)}", "churn model",
                                    "do not load it; fit it anew"))  # fmt: skip
    return FittedChurn(
        document["name"], skops.io.loads(data, trusted=list(TRUSTED_TYPES)), settings,
        intercept=document["intercept"], slope=document["slope"], columns=tuple(document["columns"]),
        reference=tuple(float("nan") if value is None else value for value in document["reference"]),
        parameters=document["parameters"], origins=document["origins"], row_count=document["row_count"],
    )  # fmt: skip


def _steady(data: bytes) -> bytes:
    """Return the archive with fixed days, and running numbers in place of the addresses that name its parts."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    numbers: dict[str, str] = {}

    def numbered(value: Any) -> Any:
        if isinstance(value, list):
            return [numbered(item) for item in value]
        if not isinstance(value, dict):
            return value
        made = {key: numbered(item) for key, item in value.items() if key not in ("__id__", "file")}
        for key in ("__id__", "file"):
            if key in value:
                stem, dot, end = str(value[key]).partition(".")
                number = numbers.setdefault(stem, str(len(numbers)))
                made[key] = int(number) if key == "__id__" else f"{number}{dot}{end}"
        return made

    schema = numbered(json.loads(entries.pop("schema.json")))
    files = {f"{numbers[name.partition('.')[0]]}.{name.partition('.')[2]}": entries[name] for name in entries}
    files["schema.json"] = json.dumps(schema, sort_keys=True).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _DAY), files[name])
    return buffer.getvalue()


def model_card(
    fitted: FittedChurn | None, backtest: pd.DataFrame, champion: Mapping[str, Any], *, settings: ChurnSettings
) -> dict[str, Any]:
    """Return what a reader must know of the champion before relying on it (document ``model_card``).

    Returns
    -------
    dict
        ``model`` (null without one), ``is_model, purpose, definition`` (``horizon_days, gap_days,
        active_within_days``), ``origins`` (taught, calibrated, tuned on), ``row_count, max_training_rows, parameters,
        features, seed``, ``metrics`` (the champion's rows of ``churn_backtest``), ``comparison`` and ``limits``
        (message ids, to be told beside it).
    """
    name = champion["model"]
    rows = backtest.loc[backtest["model"] == name] if name is not None else backtest.head(0)
    return {
        "model": name,
        "is_model": bool(champion["is_model"]),
        "purpose": "card.purpose",
        "definition": {
            "horizon_days": settings.horizon_days,
            "gap_days": settings.gap_days,
            "active_within_days": settings.active_within_days,
        },
        "origins": {} if fitted is None else dict(fitted.origins or {}),
        "row_count": 0 if fitted is None else fitted.row_count,
        "max_training_rows": settings.model.max_training_rows,
        "parameters": {} if fitted is None else dict(fitted.parameters or {}),
        "features": list(MODEL_FEATURES) if champion["is_model"] else [],
        "seed": settings.seed,
        "metrics": rows.astype(object).where(rows.notna(), None).to_dict("records"),
        "comparison": dict(champion["comparison"]),
        "limits": ["card.limit_population", "card.limit_time", "card.limit_cause", "card.limit_use"],
    }


def note_card(card: Mapping[str, Any]) -> Message:
    """Return the model card in short: what it learnt from, until when, and what it may not be used for."""
    if card["model"] is None:
        return message("card.none")
    origins = sorted(origin for part in ("taught", "calibrated") for origin in card["origins"].get(part, []))
    return message(
        "card.short" if card["is_model"] else "card.short_rule",
        model=card["model"], first=origins[0], last=origins[-1], n=card["row_count"],
        feature_count=len(card["features"]),
    )  # fmt: skip
