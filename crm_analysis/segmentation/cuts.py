"""Which cut points hold: those of settings, frozen for the fiscal year, or of the quarter itself (REQUIREMENTS S1)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from crm_analysis.base.settings_rfm import RFMSettings
from crm_analysis.base.words import Message, message
from crm_analysis.segmentation.eligibility import scored_kinds
from crm_analysis.segmentation.rfm import DIMENSIONS, RFMCuts, fixed_cuts, rfm_cuts, rfm_inputs
from crm_analysis.segmentation.splits import SplitPoints, split_points

#: Digits that are kept of frozen figures: finer than money and days are.
DIGITS = 6
FROZEN, QUARTER, SETTINGS = "frozen", "quarter", "settings"

Document = dict[str, Any]


@dataclass(frozen=True)
class Basis:
    """What the buyers of one population are scored by, and where it comes from.

    ``cut_source`` and ``split_source`` are ``settings``, ``frozen`` (first day of the fiscal year) or ``quarter``.
    """

    cuts: RFMCuts
    split: SplitPoints
    cut_source: str = QUARTER
    split_source: str = QUARTER


def frozen_parts(settings: RFMSettings) -> tuple[str, ...]:
    """Return what of the scoring is frozen: ``cuts``, ``split``, both or nothing.

    >>> frozen_parts(RFMSettings()), frozen_parts(RFMSettings(method="rfm_r")), frozen_parts(RFMSettings(freeze=False))
    (('cuts', 'split'), (), ())
    """
    if not settings.freeze or settings.method == "rfm_r":
        return ()
    split = () if settings.split.kind == "thresholds" else ("split",)
    return (*(("cuts",) if settings.method == "quantiles" else ()), *split)


def population_bases(
    features: pd.DataFrame, *, settings: RFMSettings, frozen: Mapping[str, Any] | None = None
) -> dict[str, Basis]:
    """Return what every population that may be scored is scored by.

    Parameters
    ----------
    features
        One row per customer as of a date.
    frozen
        What :func:`crm_analysis.segmentation.frozen.read_frozen` returns; where it is empty, or lacks a population, cut
        points are those of ``features``.
    """
    inputs, known = rfm_inputs(features, settings=settings), (frozen or {}).get("populations", {})
    bases = {}
    for kind in scored_kinds(features, settings=settings):
        members, kept = inputs.loc[inputs["kind"] == kind], known.get(kind) or {}
        if settings.method == "fixed":
            cuts, cut_source = fixed_cuts(getattr(settings.cuts, kind)), SETTINGS
        elif kept.get("cuts"):
            recency, frequency, monetary = (tuple(kept["cuts"][name]) for name in DIMENSIONS)
            cuts, cut_source = RFMCuts(recency, frequency, monetary), FROZEN
        else:
            cuts, cut_source = rfm_cuts(members, settings=settings), QUARTER
        if settings.split.kind == "thresholds":
            split, split_source = split_points(members, split=settings.split), SETTINGS
        elif kept.get("split"):
            split, split_source = SplitPoints(**kept["split"]), FROZEN
        else:
            split, split_source = split_points(members, split=settings.split), QUARTER
        bases[kind] = Basis(cuts, split, cut_source, split_source)
    return bases


def freezable(features: pd.DataFrame, *, settings: RFMSettings) -> Document:
    """Return what can be frozen as of the date of ``features``: ``{kind: {cuts, split}}``.

    Populations without enough data are left out; so is what settings give themselves. Figures are rounded
    to six digits.
    """
    parts = frozen_parts(settings)
    return {
        kind: {part: figures for part, figures in _figures(basis).items() if part in parts}
        for kind, basis in (population_bases(features, settings=settings) if parts else {}).items()
    }


def _figures(basis: Basis) -> Document:
    cuts, split = asdict(basis.cuts), asdict(basis.split)
    return {
        "cuts": {name: [round(point, DIGITS) for point in cuts[name]] for name in DIMENSIONS},
        "split": {name: round(split[name], DIGITS) for name in DIMENSIONS.values()},
    }


def rfm_basis(features: pd.DataFrame, *, settings: RFMSettings, frozen: Mapping[str, Any] | None = None) -> Document:
    """Return where the cut points of every scored population come from.

    Returns
    -------
    dict
        A document: ``status`` (``frozen``, ``quarter``, ``settings``, ``mixed``, ``none``), ``as_of`` of what is frozen
        (or nothing), ``fiscal_year``, ``method``, ``split`` (``mean``, ``median``, ``thresholds``, ``top_share``),
        ``top_share``, ``message``, and ``populations``, each ``{kind, cut_source, split_source}``.
    """
    bases = population_bases(features, settings=settings, frozen=frozen)
    rows = [{"kind": kind, "cut_source": b.cut_source, "split_source": b.split_source} for kind, b in bases.items()]
    sources = {row["cut_source"] for row in rows}
    status = "none" if not rows else sources.pop() if len(sources) == 1 else "mixed"
    known = frozen or {}
    note = _basis_message(status, rows=rows, settings=settings, frozen=known)
    return {
        "status": status,
        "fiscal_year": known.get("fiscal_year"),
        "as_of": known.get("as_of"),
        "method": settings.method,
        "split": settings.split.kind,
        "top_share": settings.split.top_share,
        "message": note.to_json(),
        "populations": rows,
    }


def _basis_message(
    status: str, *, rows: list[dict[str, str]], settings: RFMSettings, frozen: Mapping[str, Any]
) -> Message:
    if status == "frozen":
        return message("rfm.basis.frozen", date=frozen["as_of"], year=frozen["fiscal_year"])
    if status == "mixed":
        kinds = [message("rfm.basis.kind", kind=row["kind"]) for row in rows if row["cut_source"] == QUARTER]
        return message("rfm.basis.mixed", date=frozen["as_of"], year=frozen["fiscal_year"], kinds=kinds)
    if status == "quarter" and settings.method == "rfm_r":
        return message("rfm.basis.rfm_r")
    if status == "quarter" and not settings.freeze:
        return message("rfm.basis.off")
    return message(f"rfm.basis.{status}")
