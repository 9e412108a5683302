"""Coverage of a quarter by the orders, days counted by hand."""

from datetime import date

import pytest

from crm_analysis.base.period import Quarter
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.sources.coverage import REASONS, coverage_document, coverage_message, order_range

QUARTER = Quarter(2025, 3)  # July to September: 92 days


@pytest.mark.parametrize(
    ("first", "newest", "tolerance", "missing", "reason"),
    [
        (date(2024, 1, 1), date(2025, 9, 30), 0, 0, ""),
        (date(2024, 1, 1), date(2025, 9, 29), 0, 1, "unfinished"),
        (date(2024, 1, 1), date(2025, 9, 23), 7, 0, ""),  # seven days of silence are no gap
        (date(2024, 1, 1), date(2025, 9, 22), 7, 8, "unfinished"),
        (date(2024, 1, 1), date(2025, 12, 1), 7, 0, ""),  # a newer order proves that the quarter is over
        (date(2025, 7, 8), date(2025, 9, 30), 7, 0, ""),
        (date(2025, 7, 9), date(2025, 9, 30), 7, 8, "begun_inside"),
        (date(2025, 8, 1), date(2025, 8, 31), 7, 31 + 30, "unfinished_begun_inside"),
        (date(2025, 10, 1), date(2025, 10, 2), 7, 92, "begun_inside"),
    ],
)
def test_days_that_are_missing(first: date, newest: date, tolerance: int, missing: int, reason: str) -> None:
    found = coverage_document(QUARTER, first=first, newest=newest, tolerance_days=tolerance)
    assert (found["missing_days"], found["reason"], found["is_complete"]) == (missing, reason, not reason)
    assert (found["quarter"], found["start"], found["end"]) == ("2025Q3", "2025-07-01", "2025-09-30")
    assert (found["first_order_date"], found["newest_order_date"]) == (first.isoformat(), newest.isoformat())


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_reason_is_a_sentence_of_its_own(lang: str) -> None:
    words = Words(lang)
    document = coverage_document(
        Quarter(2026, 1, 4), first=date(2024, 1, 1), newest=date(2025, 5, 31), tolerance_days=7
    )
    said = [words.say(coverage_message(document | {"reason": reason})) for reason in REASONS]
    assert len(set(said)) == len(REASONS)
    assert all("26" in sentence and "31" in sentence for sentence in said)
    assert all("30" in sentence for sentence in said[1:])


def test_the_range_of_orders(make_tables) -> None:
    days = ["2025-01-31 23:30", "2025-03-01 10:00", "2099-01-01 10:00"]
    orders = make_tables(orders=[{"ordered_at": day} for day in days])["orders"]
    assert order_range(orders) == (date(2025, 1, 31), date(2099, 1, 1))
    assert order_range(orders, until=date(2025, 3, 1)) == (date(2025, 1, 31), date(2025, 3, 1))
    assert order_range(orders, until=date(2025, 1, 30)) is None
