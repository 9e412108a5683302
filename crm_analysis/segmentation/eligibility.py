"""Who may be scored: enough buyers, enough history, and buyers who still buy (REQUIREMENTS S1)."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from crm_analysis.base.settings_rfm import RFMSettings
from crm_analysis.base.words import Message, message
from crm_analysis.segmentation.lifecycle import days_since_first_order
from crm_analysis.segmentation.rfm import POPULATIONS, population_of

#: A buyer of recent: the last order lies in the trailing year.
RECENT_DAYS = 365
_TOO_LITTLE = ("segmentation.eligibility.too_few_buyers", "segmentation.eligibility.too_short_history")


def check_rfm_eligibility(features: pd.DataFrame, *, settings: RFMSettings) -> dict[str, Any]:
    """Tell which populations hold enough buyers, history and recent orders to be scored.

    Parameters
    ----------
    features
        One row per customer as of a date.
    settings
        ``minimum_buyers``, ``minimum_history_days`` (from a population's first order to ``as_of``),
        ``minimum_recent_share`` (of the buyers, with an order in the last 365 days: where nearly everybody fell silent
        long ago, scores of recency tell old silence from older), and ``cuts`` of the method ``fixed``.

    Returns
    -------
    dict
        A document: ``status`` (``ok``: all scored, ``partial``, ``insufficient``: none), ``message``, and
        ``populations``, each ``{kind, status, buyer_count, non_buyer_count, negative_spend_count, history_days,
        recent_share, message}``; messages as :meth:`Message.to_json`. Populations without customers are left out.
    """
    populations = population_of(features)
    documents: list[dict[str, Any]] = []
    for kind in POPULATIONS:
        members = features.loc[populations == kind]
        if members.empty:
            continue
        buyers = members.loc[members["order_count"] >= 1]
        history = 0 if buyers.empty else int(days_since_first_order(buyers).max())
        recent = 0.0 if buyers.empty else float((buyers["recency_days"] < RECENT_DAYS).mean())
        status, note = _eligible(kind, len(buyers), history, recent, settings=settings)
        documents.append(
            {
                "kind": kind,
                "status": status,
                "buyer_count": len(buyers),
                "non_buyer_count": len(members) - len(buyers),
                "negative_spend_count": int((buyers["spend_amount"] < 0).sum()),
                "history_days": history,
                "recent_share": round(recent, 6),
                "message": note.to_json(),
            }
        )
    scored = [d for d in documents if d["status"] == "ok"]
    status = "insufficient" if not scored else "ok" if len(scored) == len(documents) else "partial"
    return {
        "status": status,
        "message": message(
            _message_id(status, documents),
            buyers=sum(d["buyer_count"] for d in documents),
            scored=sum(d["buyer_count"] for d in scored),
            reasons=[Message.from_json(d["message"]) for d in documents if d["status"] != "ok"],
        ).to_json(),
        "populations": documents,
    }


def scored_kinds(features: pd.DataFrame, *, settings: RFMSettings) -> list[str]:
    """Return the populations that may be scored."""
    documents = check_rfm_eligibility(features, settings=settings)["populations"]
    return [document["kind"] for document in documents if document["status"] == "ok"]


def _message_id(status: str, documents: Sequence[Mapping[str, Any]]) -> str:
    """Return what is said of all: "too little data" only where that is the reason."""
    if not documents:
        return "segmentation.sizes.none"
    if status == "insufficient" and not all(d["message"]["message"] in _TOO_LITTLE for d in documents):
        return "rfm.eligibility.insufficient"
    return f"segmentation.eligibility.{status}"


def _eligible(kind: str, buyers: int, history: int, recent: float, *, settings: RFMSettings) -> tuple[str, Message]:
    if buyers < settings.minimum_buyers:
        return "insufficient", message(
            "segmentation.eligibility.too_few_buyers", kind=kind, n=buyers, minimum=settings.minimum_buyers
        )
    if history < settings.minimum_history_days:
        return "insufficient", message(
            "segmentation.eligibility.too_short_history", kind=kind, days=history,
            minimum=settings.minimum_history_days,
        )  # fmt: skip
    if recent < settings.minimum_recent_share:
        return "insufficient", message(
            "rfm.eligibility.too_few_recent", kind=kind, n=buyers, share=round(recent, 6), days=RECENT_DAYS,
            minimum=settings.minimum_recent_share,
        )  # fmt: skip
    if settings.method == "fixed" and getattr(settings.cuts, kind) is None:
        return "insufficient", message("rfm.eligibility.no_cuts", kind=kind, n=buyers)
    return "ok", message("segmentation.eligibility.population_ok", kind=kind, n=buyers, days=history)
