"""The warning list: whom to contact first, why, by whom and until when; how it changes (REQUIREMENTS C4).

Ranked by expected loss. Never ranked by the probability of being alive of a purchase model: it is 1 for every one-time
buyer.
"""

from datetime import date, timedelta

import pandas as pd

from crm_analysis.base.privacy import OPEN, QUASI, SENSITIVE, ResultSchema
from crm_analysis.base.settings import ChurnSettings
from crm_analysis.churn.contributions import REASONS
from crm_analysis.churn.labels import select_eligible
from crm_analysis.churn.scores import SCORES_SCHEMA

_FACTS = ("recency_days", "gap_mean_days", "order_count_90d", "order_count_90d_before", "complaint_count_90d")
_REASON_COLUMNS = tuple(f"churn_reason_{rank}" for rank in range(1, REASONS + 1))
WARNING_SCHEMA: ResultSchema = (
    dict(SCORES_SCHEMA)
    | {"tier": OPEN, "owner": QUASI, "suggested_action": OPEN, "due_date": OPEN}
    | dict.fromkeys(_REASON_COLUMNS, SENSITIVE)
    | dict.fromkeys(_FACTS, SENSITIVE)
)
STABILITY_SCHEMA: ResultSchema = dict.fromkeys(["list_change", "customer_count", "customer_share"], OPEN)
#: What became of those on the last list, in the order in which it is asked.
CHANGES = ("kept_bought", "kept_silent", "bought", "not_eligible", "lower_rank")


def warning_list(
    scores: pd.DataFrame, features: pd.DataFrame, *, settings: ChurnSettings, as_of: date,
    contributions: pd.DataFrame | None = None, customers: pd.DataFrame | None = None,
    strategy: pd.DataFrame | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Return whom to contact first: the customers with most expected loss, as many as can be contacted.

    ``churn_scores`` and ``features`` of the same day -> columns of ``WARNING_SCHEMA``, largest loss first

    Parameters
    ----------
    contributions
        Columns of ``CONTRIBUTIONS_SCHEMA``; fills ``churn_reason_1`` ... with causes, strongest first.
    customers
        ``customer_id`` and what is known of ``tier`` and ``owner``.
    strategy
        ``tier, suggested_action``: what the strategy has for a tier; empty for other tiers.

    Notes
    -----
    ``due_date`` is ``as_of + due_days``. What is not given is empty. Nobody without an expected loss is listed.
    """
    first = scores.loc[scores["expected_loss_amount"].astype(float) > 0].head(settings.list_capacity)
    listed = first.merge(features[["customer_id", *_FACTS]], on="customer_id", how="left", validate="one_to_one")
    for name in ("tier", "owner"):
        given = customers if customers is not None and name in customers else None
        known = None if given is None else given.set_index("customer_id")[name]
        listed[name] = _looked_up(listed["customer_id"], known)
    actions = None if strategy is None else strategy.set_index("tier")["suggested_action"]
    listed["suggested_action"] = _looked_up(listed["tier"], actions)
    due = pd.Timestamp(as_of + timedelta(days=settings.model.warning.due_days))
    listed["due_date"] = pd.Series([due] * len(listed), index=listed.index, dtype="datetime64[s]")
    for rank, column in enumerate(_REASON_COLUMNS, start=1):
        causes = None
        if contributions is not None:
            ranked = contributions.loc[contributions["cause_rank"] == rank]
            causes = ranked.set_index("customer_id")["churn_cause"]
        listed[column] = _looked_up(listed["customer_id"], causes)
    return listed[list(WARNING_SCHEMA)]


def _looked_up(keys: pd.Series, known: pd.Series | None) -> pd.Series:
    found = [None] * len(keys) if known is None else keys.map(known)
    return pd.Series(found, index=keys.index, dtype="str")


def list_stability_table(
    last: pd.DataFrame, scores: pd.DataFrame, features: pd.DataFrame, *, settings: ChurnSettings, days_between: int
) -> pd.DataFrame:
    """Return what became of last quarter's list: still on it, or why not (result ``list_stability``).

    The lists' ``customer_id, loss_rank`` then, ``churn_scores`` and ``customer_id, order_count, recency_days`` now ->
    columns of ``STABILITY_SCHEMA``, one row for each of ``CHANGES``

    Parameters
    ----------
    last
        The warning list of the quarter before, recomputed.
    days_between
        Days from its day to that of ``features``.

    Notes
    -----
    Both lists are taken at the length of the shorter, or a longer list would look more stable. Who is still on it has
    bought since (``recency_days`` below ``days_between``; ``kept_bought``) or not (``kept_silent``). Who left it bought
    since, is no longer eligible (too long silent, or no counted order left), or has a lower rank now; the first that
    fits counts. All who bought are ``kept_bought`` and ``bought`` together.
    """
    now = scores.loc[scores["expected_loss_amount"].astype(float) > 0]
    length = min(len(last), len(now), settings.list_capacity)
    if not length:
        return pd.DataFrame(columns=list(STABILITY_SCHEMA))
    before = last.sort_values("loss_rank")["customer_id"].head(length)
    kept = before.isin(now.sort_values("loss_rank")["customer_id"].head(length))
    known = features.set_index("customer_id")
    silent = before.map(known["recency_days"]).astype(float)
    counted = before.map(known["order_count"]).fillna(0).astype(float)
    bought = (counted >= 1) & (silent < days_between)
    eligible = before.isin(select_eligible(features, settings=settings)["customer_id"])
    change = pd.Series("lower_rank", index=before.index).mask(~eligible, "not_eligible")
    change = change.mask(bought, "bought").mask(kept & bought, "kept_bought").mask(kept & ~bought, "kept_silent")
    counts = change.value_counts().reindex(list(CHANGES), fill_value=0)
    return pd.DataFrame({
        "list_change": pd.Series(CHANGES, dtype="str"),
        "customer_count": counts.to_numpy(dtype="int64"),
        "customer_share": (counts / length).round(6).to_numpy(),
    })  # fmt: skip
