"""How fast service answers and resolves, in hours of the clock and of business (REQUIREMENTS E7).

A case is a contact from the customer that he can see, opened in the quarter. What became of it is told as it was known
at the quarter's end: :func:`service_cases` writes one row per case in the engine, :func:`service_times_table` sums
them.
"""

import ibis
import pandas as pd

from crm_analysis.base.intervals import wilson_interval
from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import DIRECT, OPEN, SENSITIVE, ResultSchema
from crm_analysis.base.settings import EvaluationSettings
from crm_analysis.evaluation.business_time import with_business_seconds
from crm_analysis.sources.as_of import utc_midnight
from crm_analysis.sources.business_calendar import BusinessCalendar

SECONDS_PER_HOUR = 3600
NO_TIER, UNKNOWN = "no_tier", "unknown"
DIMENSIONS = ("all", "kind", "channel", "urgency", "complexity", "owner", "tier")
_TEXTS = {"kind": SENSITIVE, "channel": OPEN, "urgency": OPEN, "complexity": OPEN, "owner": OPEN,
          "outcome": SENSITIVE, "reason": SENSITIVE}  # fmt: skip
_SECONDS = [f"{what}_{clock}seconds" for what in ("response", "waiting", "resolution") for clock in ("", "business_")]
CASES_SCHEMA: ResultSchema = {
    "interaction_id": DIRECT,
    "customer_id": DIRECT,
    **_TEXTS,
    **dict.fromkeys(["is_visible", "is_reopened", "was_resolved", *_SECONDS, "limit_seconds"], OPEN),
    **dict.fromkeys(["response_state", "resolution_state"], OPEN),
}
STATES = ("met", "late", "overdue", "pending", "unclear")
RESOLUTION_STATES = ("resolved", "overdue", "pending", "unclear")
_TIMES = [f"{what}_{clock}hours" for what in ("response", "resolution") for clock in ("", "business_")]
TIMES_SCHEMA: ResultSchema = dict.fromkeys(
    ["dimension", "part", "n", "hidden_n", "answered_n",
     *(f"{state}_n" for state in STATES), "sla_rate", "sla_rate_low", "sla_rate_high",
     *(f"{time}_{measure}" for time in _TIMES for measure in ("mean", "median", "p90")),
     "target_hours", "status",
     *(f"resolution_{state}_n" for state in RESOLUTION_STATES), "closed_loop_rate", "closed_loop_rate_low",
     "closed_loop_rate_high", "was_resolved_n", "reopened_n", "reopened_rate"],
    OPEN,
)  # fmt: skip


def service_cases(
    interactions: ibis.Table | None, *, quarter: Quarter, settings: EvaluationSettings, zone: str
) -> ibis.Table:
    """Return a row per contact from customers that was opened in the quarter, sorted by its id.

    Parameters
    ----------
    interactions
        Behind the door of the quarter's end: later replies and resolutions are null. Without it there are no cases.
    zone
        Time zone of the company, in which its opening hours are given.

    Returns
    -------
    ibis.Table
        Columns of ``CASES_SCHEMA``. Times are whole seconds of the clock, and of business in the columns that say so:

        * ``response_*``: to the first public human reply; ``resolution_*``: to the resolution of cases that are
          resolved; null while there is none, and where it lies before the opening.
        * ``waiting_*``: to the end of the quarter, of cases without a reply.
        * ``response_state``: ``met`` or ``late`` against ``limit_seconds``; without a reply ``overdue`` when the limit
          is over, else ``pending``; ``unclear`` when the reply lies before the opening.
        * ``resolution_state``: ``resolved``; open cases are ``overdue`` when ``settings.resolution_hours`` of the
          clock are over, else ``pending``; ``unclear`` when the resolution lies before the opening. A case that was
          opened again after its resolution is open.
        * ``is_visible``: false for cases that the customer cannot see, which count nowhere but in ``hidden_n``.

    Notes
    -----
    The limit of an urgent case is ``urgent_hours``, of another complex one ``complex_hours`` (its first reply is its
    first assessment), else ``sla_hours``; all by ``sla_clock``. Only the last resolution of a case is in the data.
    REQUIREMENTS E7.
    """
    if interactions is None:
        return _no_cases()
    service = settings.service
    calendar = BusinessCalendar(service.hours, zone)
    rows = interactions.filter(
        interactions.direction == "in",
        interactions.opened_on >= ibis.literal(quarter.start),
        interactions.opened_on < ibis.literal(quarter.end),
    )
    is_reopened = rows.reopened_at.notnull()
    is_open_again = (rows.reopened_at > rows.resolved_at).fill_null(False)
    later = {"answered_at": "first_human_reply_at", "solved_at": "resolved_at"}
    rows = rows.mutate(
        **{
            name: ibis.ifelse(rows[at] >= rows.opened_at, rows[at], ibis.null("timestamp"))
            for name, at in later.items()
        },
        ended_at=ibis.literal(utc_midnight(quarter.end, zone)),
        is_reply_unclear=(rows.first_human_reply_at < rows.opened_at).fill_null(False),
        is_solution_unclear=(rows.resolved_at < rows.opened_at).fill_null(False),
        is_reopened=is_reopened,
        was_resolved=(rows.resolved_at >= rows.opened_at).fill_null(False) | is_reopened,
        is_open_again=is_open_again,
    )
    rows = rows.mutate(solved_at=ibis.ifelse(rows.is_open_again, ibis.null("timestamp"), rows.solved_at))
    until = {"response": "answered_at", "waiting": "ended_at", "resolution": "solved_at"}
    rows = with_business_seconds(
        rows,
        since="opened_at",
        until={f"{what}_business_seconds": at for what, at in until.items()},
        calendar=calendar,
        first=quarter.start,
        end=quarter.end,
        always=rows.channel.isin(service.hours.always_open_channels) if service.hours.always_open_channels else None,
    )
    opened = rows.opened_at.epoch_seconds()
    rows = rows.mutate(
        **{f"{what}_seconds": (rows[at].epoch_seconds() - opened).cast("int64") for what, at in until.items()},
        is_visible=rows.is_public.fill_null(True),
        limit_seconds=_limit_seconds(rows, settings=settings),
    )
    rows = rows.mutate(response_state=_response_state(rows, settings=settings),
                       resolution_state=_resolution_state(rows, settings=settings))  # fmt: skip
    waits = rows.answered_at.isnull() & ~rows.is_reply_unclear
    return (
        rows.mutate(
            **{
                name: ibis.ifelse(waits, rows[name], ibis.null("int64"))
                for name in _SECONDS
                if name.startswith("waiting")
            }
        )
        .select(*CASES_SCHEMA)
        .order_by("interaction_id")
    )


def answer_state(cases: ibis.Table, *, limit_seconds: ibis.Value | int, clock: str) -> ibis.Value:
    """Return what became of cases against a limit: ``met``, ``late``, ``overdue``, ``pending`` or ``unclear``.

    A reply exactly at the limit is in time.
    """
    of_clock = "business_" if clock == "business" else ""
    taken, waited = cases[f"response_{of_clock}seconds"], cases[f"waiting_{of_clock}seconds"]
    return ibis.cases(
        (taken.notnull() & (taken <= limit_seconds), "met"),
        (taken.notnull(), "late"),
        (waited.isnull(), "unclear"),
        (waited > limit_seconds, "overdue"),
        else_="pending",
    )


def service_times_table(
    cases: ibis.Table, tiers: ibis.Table | None = None, *, settings: EvaluationSettings
) -> pd.DataFrame:
    """Return times and service standards over all cases and by each of their attributes.

    Parameters
    ----------
    cases
        Of :func:`service_cases`.
    tiers
        ``customer_id, tier`` at the START of the quarter; without it there are no rows by tier.

    Returns
    -------
    pandas.DataFrame
        Columns of ``TIMES_SCHEMA``: a row per ``dimension`` and ``part``; the parts of each dimension sum to ``all``,
        what is not recorded is ``unknown`` (``no_tier`` for customers without one).

        * ``n``: cases; ``hidden_n``: further ones that the customer cannot see; ``answered_n = met_n + late_n``.
        * ``sla_rate``: answered in time / (answered + overdue), with its 95 % Wilson interval; ``pending_n`` and
          ``unclear_n`` are left out.
        * ``response_hours_mean`` (and ``_median``, ``_p90``; ``_business_hours``): of answered cases;
          ``resolution_*``: of resolved ones.
        * ``target_hours``: what the mean should not exceed by ``sla_clock``; ``status``: ``good``, ``bad`` or
          ``too_small``.
        * ``closed_loop_rate``: resolved / (resolved + overdue); ``reopened_rate``: opened again / ever resolved.

        Values of fewer than ``settings.service.minimum_n`` cases are null.
    """
    rows = dict.fromkeys(DIMENSIONS, cases)
    if tiers is None:
        del rows["tier"]
    else:
        rows["tier"] = _with_tiers(cases, tiers)
    found = [_aggregated(own, dimension=name) for name, own in rows.items()]
    table = pd.concat(found, ignore_index=True)
    return finish_times(table, settings=settings)[list(TIMES_SCHEMA)]


def _with_tiers(cases: ibis.Table, tiers: ibis.Table) -> ibis.Table:
    joined = cases.left_join(tiers.select("customer_id", "tier"), "customer_id")
    return joined.select(*cases.columns, tier=joined.tier.cast("string").fill_null(NO_TIER))


def _aggregated(rows: ibis.Table, *, dimension: str) -> pd.DataFrame:
    """Return counts, sums and quantiles by one dimension, computed by the engine, largest part first."""
    part = ibis.literal("all") if dimension == "all" else rows[dimension].fill_null(UNKNOWN)
    marked = rows.mutate(part=part)
    seen = marked.is_visible
    measures: dict[str, ibis.Value] = {"n": marked.count(where=seen), "hidden_n": marked.count(where=~seen)}
    for prefix, column, states in (
        ("", "response_state", STATES), ("resolution_", "resolution_state", RESOLUTION_STATES)
    ):  # fmt: skip
        for state in states:
            measures[f"{prefix}{state}_n"] = marked.count(where=seen & (marked[column] == state))
    measures["was_resolved_n"] = marked.count(where=seen & marked.was_resolved)
    measures["reopened_n"] = marked.count(where=seen & marked.is_reopened)
    for time in _TIMES:
        seconds = marked[time.replace("hours", "seconds")]
        measures[f"{time}_sum"] = seconds.sum(where=seen)
        # half as wide is twice as fast, and no case of a quarter lasts 68 years
        measures[f"{time}_quantiles"] = seconds.cast("int32").quantile([0.5, 0.9], where=seen)
    table = marked.group_by("part").aggregate(**measures).to_pandas()
    for time in _TIMES:
        pairs = [[float("nan")] * 2 if pair is None else list(pair) for pair in table.pop(f"{time}_quantiles")]
        table[[f"{time}_median", f"{time}_p90"]] = pd.DataFrame(pairs, index=table.index, columns=[0, 1], dtype=float)
    table = table.loc[table["n"] + table["hidden_n"] > 0].assign(dimension=dimension)
    return table.sort_values(["n", "part"], ascending=[False, True], ignore_index=True)


def finish_times(table: pd.DataFrame, *, settings: EvaluationSettings) -> pd.DataFrame:
    """Return means, rates, intervals and statuses from the sums of :func:`service_times_table`."""
    service = settings.service
    done = table.assign(answered_n=table["met_n"] + table["late_n"])
    sizes = {"response": done["answered_n"], "resolution": done["resolution_resolved_n"]}
    for time in _TIMES:
        size = sizes[time.split("_")[0]]
        is_told = size >= service.minimum_n
        mean = done[f"{time}_sum"].astype("float64") / size.where(size > 0)
        for measure, seconds in (
            ("mean", mean), ("median", done[f"{time}_median"]), ("p90", done[f"{time}_p90"])
        ):  # fmt: skip
            done[f"{time}_{measure}"] = (seconds.astype("float64") / SECONDS_PER_HOUR).where(is_told).round(6)
    due = done["answered_n"] + done["overdue_n"]
    done = with_rate(done, "sla_rate", done["met_n"], due, minimum_n=service.minimum_n)
    resolved = done["resolution_resolved_n"]
    due = resolved + done["resolution_overdue_n"]
    done = with_rate(done, "closed_loop_rate", resolved, due, minimum_n=service.minimum_n)
    ever = done["was_resolved_n"]
    done["reopened_rate"] = (done["reopened_n"] / ever.where(ever >= service.minimum_n)).astype("float64").round(6)
    done["target_hours"] = [
        target_hours(*pair, settings=settings) for pair in zip(done["dimension"], done["part"], strict=True)
    ]
    of_clock = "business_" if service.sla_clock == "business" else ""
    mean = done[f"response_{of_clock}hours_mean"]
    done["status"] = (mean <= done["target_hours"]).map({True: "good", False: "bad"}).where(mean.notna(), "too_small")
    return done


def target_hours(dimension: str, part: str, *, settings: EvaluationSettings) -> float:
    """Return what the mean first response of a part should not exceed: urgent and complex cases have their own."""
    own = {
        ("urgency", "urgent"): settings.service.urgent_hours,
        ("complexity", "complex"): settings.service.complex_hours,
    }
    return float(own.get((dimension, part), settings.first_response_hours))


def with_rate(
    table: pd.DataFrame, name: str, successes: pd.Series, trials: pd.Series, *, minimum_n: int
) -> pd.DataFrame:
    """Return a table with a share and its 95 % Wilson interval, null below ``minimum_n`` trials."""
    told = trials.where(trials >= minimum_n).astype("float64")
    low, high = wilson_interval(successes, told, where=told.notna())
    return table.assign(**{name: (successes / told).round(6), f"{name}_low": low, f"{name}_high": high})


def _limit_seconds(rows: ibis.Table, *, settings: EvaluationSettings) -> ibis.Value:
    hours = settings.service
    limit = ibis.cases(
        (rows.urgency == "urgent", hours.urgent_hours), (rows.complexity == "complex", hours.complex_hours),
        else_=float(hours.sla_hours),
    )  # fmt: skip
    return (limit * SECONDS_PER_HOUR).round().cast("int64")


def _response_state(rows: ibis.Table, *, settings: EvaluationSettings) -> ibis.Value:
    state = answer_state(rows, limit_seconds=rows.limit_seconds, clock=settings.service.sla_clock)
    return ibis.ifelse(rows.is_reply_unclear, "unclear", state)


def _resolution_state(rows: ibis.Table, *, settings: EvaluationSettings) -> ibis.Value:
    limit = round(settings.resolution_hours * SECONDS_PER_HOUR)
    return ibis.cases(
        (rows.resolution_seconds.notnull(), "resolved"),
        (rows.is_solution_unclear & ~rows.is_open_again, "unclear"),
        (rows.waiting_seconds > limit, "overdue"),
        else_="pending",
    )


def _no_cases() -> ibis.Table:
    """Return the cases of a company that records none."""
    flags = dict.fromkeys(("is_visible", "is_reopened", "was_resolved"), "boolean")
    numbers = dict.fromkeys([*_SECONDS, "limit_seconds"], "int64")
    schema = {name: (flags | numbers).get(name, "string") for name in CASES_SCHEMA}
    return ibis.memtable({name: [] for name in schema}, schema=schema)
