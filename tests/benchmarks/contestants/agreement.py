"""Whether two tables hold the same values: every column of every row, joined by key."""

from collections.abc import Sequence

import duckdb

TOLERANCE = 1e-6


class DisagreementError(AssertionError):
    """Two contestants computed different numbers."""


def check_agreement(ours: str, theirs: str, *, keys: Sequence[str], label: str) -> str:
    """Return a sentence on what agrees; both are paths of Parquet files, or queries in brackets.

    Raises
    ------
    DisagreementError
        Other columns, other keys, or values that differ (floats by more than ``TOLERANCE``); all columns at once.
    """
    con = duckdb.connect(config={"memory_limit": "4GB"})
    kinds, others = _columns(con, ours), _columns(con, theirs)
    if set(kinds) != set(others):
        missing, more = sorted(set(kinds) - set(others)), sorted(set(others) - set(kinds))
        raise DisagreementError(f"{label}: columns differ; ours alone: {missing}, theirs alone: {more}")
    same_key = " and ".join(f"a.{key} = cast(b.{key} as varchar)" for key in keys)
    differs = {name: _differs(name, kind) for name, kind in kinds.items() if name not in keys}
    counts = ", ".join(f'count(*) filter (where {condition}) as "{name}"' for name, condition in differs.items())
    joined = f"from {_source(ours)} a full join {_source(theirs)} b on {same_key}"
    rows, alone, *found = con.execute(
        f"select count(*), count(*) filter (where a.{keys[0]} is null or b.{keys[0]} is null), {counts} {joined}"
    ).fetchone()
    if not rows:
        raise DisagreementError(f"{label}: there are no rows to compare")
    sizes = [con.execute(f"select count(*) from {_source(given)} t").fetchone()[0] for given in (ours, theirs)]
    if alone == 0 and sizes != [rows, rows]:
        raise DisagreementError(f"{label}: keys are not unique: {sizes[0]:,} and {sizes[1]:,} rows join to {rows:,}")
    if alone:
        raise DisagreementError(f"{label}: {alone:,} of {rows:,} keys are in one table alone")
    wrong = {name: count for name, count in zip(differs, found, strict=True) if count}
    if wrong:
        examples = [
            f"{name}: {count:,} rows, such as "
            + str(con.execute(f"select a.{keys[0]}, a.{name}, b.{name} {joined} where {differs[name]} "
                              f"order by 1 limit 1").fetchone())
            for name, count in wrong.items()
        ]  # fmt: skip
        raise DisagreementError("\n".join([f"{label}: values differ", *examples]))
    return f"{label}: all {len(differs)} columns of {rows:,} rows are equal (floats within {TOLERANCE:g})."


def check_summaries(ours: str, theirs: str, *, label: str) -> str:
    """Return the same for our purchase summary in days and that of ``rfm_summary``, whose mean is 0 without repeats."""
    named = f"""
        (select customer_id, cast(frequency as bigint) as repeat_count, recency as age_at_last, "T" as age,
            if(frequency > 0, monetary_value, null) as repeat_mean_amount
        from read_parquet('{theirs}'))
    """.strip()
    return check_agreement(ours, named, keys=["customer_id"], label=label)


def _source(given: str) -> str:
    return given if given.startswith("(") else f"read_parquet('{given}')"


def _columns(con: duckdb.DuckDBPyConnection, given: str) -> dict[str, str]:
    """Return the columns with their types."""
    found = con.execute(f"describe select * from {_source(given)} t").fetchall()
    return {name: kind for name, kind, *_ in found}


def _differs(name: str, kind: str) -> str:
    """Return the condition under which two values of a column are not the same."""
    other = f"cast(b.{name} as {kind})"
    if kind not in {"DOUBLE", "FLOAT"}:
        return f"a.{name} is distinct from {other}"
    far = f"coalesce(abs(a.{name} - {other}) > {TOLERANCE}, false)"
    return f"(({far}) or (a.{name} is null) <> ({other} is null) or isnan(a.{name}) <> isnan({other}))"
