"""Sentences on purchase models, customer value and priority customers, with the numbers that they rest on."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from crm_analysis.base.words import Message, message
from crm_analysis.churn.purchase_checks import RANKINGS


def finding_value(clv: Mapping[str, Any], fits: Mapping[str, Any]) -> Message:
    """Return the value of all customers with its interval, horizon, discount and margin, or why there is none.

    documents of :func:`crm_analysis.churn.clv.clv_document` and
    :func:`crm_analysis.churn.purchase_fit.purchase_fits_document` -> message
    """
    total = _whole(clv)
    if total is None or total["value"] is None:
        return message("clv.none", reasons=[Message.from_json(fit["message"]) for fit in fits["fits"].values()
                                            if fit["status"] != "ok"] or message("clv.no_customer"))  # fmt: skip
    horizon = clv["horizon"]
    valued = {kind for kind, part in clv["totals"].items() if part["value"] is not None}
    told = message(
        "clv.finding", n=total["n"], value=total["value"], low=total["value_low"], high=total["value_high"],
        level=clv["level"], months=horizon["horizon_months"], mean=round(total["value"] / total["n"], 2),
        discount=horizon["monthly_discount_rate"], margin=_margin(horizon["margin_share"]),
    )  # fmt: skip
    absent = [message("clv.kind_absent", kind=kind, n=fit["n"]) for kind, fit in fits["fits"].items()
              if kind not in valued and fit["n"]]  # fmt: skip
    return message("clv.without", told=told, absent=absent) if absent else told


def finding_purchases(clv: Mapping[str, Any], fits: Mapping[str, Any]) -> Message:
    """Return how many purchases the model expects over the horizon, with the interval, by population."""
    clauses = []
    for kind, fit in fits["fits"].items():
        if kind not in clv["totals"]:
            clauses.append(message("purchase.kind_none", kind=kind, reason=Message.from_json(fit["message"])))
            continue
        total = clv["totals"][kind]
        clauses.append(message(
            "purchase.kind_expected", kind=kind, n=total["n"], repeaters=fit["repeater_count"],
            purchases=total["purchases"], low=total["purchases_low"], high=total["purchases_high"], level=clv["level"],
        ))  # fmt: skip
    if not clauses:
        return message("purchase.no_customer")
    return message("purchase.finding", model=fits["model"], months=clv["horizon"]["horizon_months"],
                   clauses=_sentences(clauses))  # fmt: skip


def _whole(clv: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the totals of all valued customers; of the only population with a value where the other has none."""
    totals = clv["totals"]
    valued = [total for kind, total in totals.items() if kind != "all" and total["value"] is not None]
    if "all" in totals and totals["all"]["value"] is not None:
        return totals["all"]
    return valued[0] if valued else None


def _margin(share: float) -> Message:
    return message("clv.no_margin") if share == 1 else message("clv.margin", share=share)


def _sentences(clauses: Iterable[Message]) -> Message:
    """Return clauses as one running text: the first, a separator, the rest."""
    first, *rest = clauses
    return message("purchase.joined", first=first, rest=_sentences(rest)) if rest else first


def finding_fit_test(tests: Mapping[str, Any]) -> Message:
    """Return what came of the hold-out against what was expected, by population.

    document of :func:`crm_analysis.churn.purchase_checks.fit_test_document` -> message
    """
    clauses = [message("purchase.of_kind", kind=kind, told=Message.from_json(test["message"]))
               for kind, test in tests["tests"].items()]  # fmt: skip
    return _sentences(clauses) if clauses else message("purchase.no_customer")


def note_independence(found: Mapping[str, Any]) -> Message:
    """Return whether frequency and amount are unrelated, as the model of amounts takes them to be.

    document of :func:`crm_analysis.churn.purchase_checks.check_independence` -> message
    """
    clauses = [message("purchase.of_kind", kind=kind, told=Message.from_json(one["message"]))
               for kind, one in found.items()]  # fmt: skip
    return _sentences(clauses) if clauses else message("purchase.no_customer")


def note_ranking(ranking: pd.DataFrame) -> Message:
    """Return why nothing is sorted by the probability of being alive, with what the hold-out says of it.

    columns of ``RANKING_SCHEMA`` -> message
    """
    if ranking.empty:
        return message("purchase.alive_note")
    first = ranking.loc[ranking["kind"] == ranking["kind"].iloc[0]].set_index("customer_ranking")
    alive, expected, count = (float(first["auc"][name]) for name in RANKINGS)
    return message("purchase.alive_measured", kind=str(first["kind"].iloc[0]), n=int(first["n"].iloc[0]),
                   alive=alive, expected=expected, count=count)  # fmt: skip


def finding_clv_tiers(tiers: pd.DataFrame) -> Message:
    """Return the tier with the largest share of the value, and what hidden tiers hold.

    columns of ``CLV_TIERS_SCHEMA`` -> message
    """
    known = tiers.loc[tiers["clv_share"].notna()]
    if known.empty:
        return message("clv.no_tier")
    top = known.iloc[int(known["clv_share"].argmax())]
    hidden = round(1 - float(known["clv_share"].sum()), 6)
    told = message(
        "clv.tier", tier=str(top["tier"]), n=int(top["customer_count"]), share=float(top["clv_share"]),
        customers=float(top["customer_share"]), mean=float(top["clv_mean_amount"]),
    )  # fmt: skip
    is_hiding = len(known) < len(tiers)
    return message("clv.tier_hidden", told=told, share=hidden) if is_hiding else told


def finding_priority(document: Mapping[str, Any]) -> Message:
    """Return how many priority customers had no contact this quarter, what they spent, and where only one table is
    kept, which was read.

    document of :func:`crm_analysis.churn.priority.priority_document` -> message
    """
    args = {"threshold": document["threshold"], "n": document["n"]}
    if document["n"] == 0:
        return message("priority.nobody", threshold=document["threshold"])
    if document["status"] == "no_contacts":
        return message("priority.no_contacts", **args)
    count, amount = document["uncontacted_count"], document["uncontacted_amount"]
    if count == 0:
        told = message("priority.all_contacted", **args)
    elif amount is None:
        told = message("priority.few", count=count, **args)
    else:
        share = round(count / document["n"], 6)
        told = message("priority.finding", count=count, amount=amount, share=share, **args)
    if len(document["read"]) > 1:
        return told
    return message("priority.one_table", told=told, read=message(f"priority.read_{document['read'][0]}"))


def alt_tracking(tracking: pd.DataFrame) -> Message:
    """Return the alternative text of :func:`crm_analysis.churn.purchase_figures.plot_tracking`."""
    clauses = []
    for kind, own in tracking.groupby("kind", sort=False):
        held = own.loc[own["is_holdout"]]
        clauses.append(message(
            "purchase.alt_tracking_kind", kind=str(kind), weeks=len(own), held=len(held),
            actual=int(held["actual_purchase_count"].sum()), expected=float(held["expected_purchase_count"].sum()),
        ))  # fmt: skip
    return message("purchase.alt_tracking", told=_sentences(clauses)) if clauses else message("purchase.alt_none")


def alt_frequency(frequency: pd.DataFrame) -> Message:
    """Return the alternative text of :func:`crm_analysis.churn.purchase_figures.plot_frequency`."""
    known = frequency.loc[frequency["actual_mean"].notna()]
    if known.empty:
        return message("purchase.alt_none")
    place = int((known["actual_mean"] - known["expected_mean"]).abs().argmax())
    row = known.iloc[place]
    return message(
        "purchase.alt_frequency", n=int(known["customer_count"].sum()), classes=len(known), kind=str(row["kind"]),
        repeats=str(row["repeat_class"]), actual=float(row["actual_mean"]), expected=float(row["expected_mean"]),
    )  # fmt: skip
