"""Every KPI against numbers worked out by hand on a few rows."""

from typing import Any

import pytest

from crm_analysis.base.period import Quarter
from crm_analysis.base.settings import EvaluationSettings
from crm_analysis.evaluation.registry import KpiInputs, available_kpis, kpi_totals
from crm_analysis.sources.as_of import as_of
from crm_analysis.sources.periods import customer_periods_table

QUARTER = Quarter(2025, 3)

# a buys every quarter; b bought in Q2 and Q3, and got 50 of 200 back in Q3; c bought in 2024Q4 only; d is new in Q3
ORDERS = [
    {"order_id": "a1", "customer_id": "a", "ordered_at": "2024-11-01 10:00", "amount": 100},
    {"order_id": "a2", "customer_id": "a", "ordered_at": "2025-02-01 10:00", "amount": 100},
    {"order_id": "a3", "customer_id": "a", "ordered_at": "2025-05-01 10:00", "amount": 100},
    {"order_id": "a4", "customer_id": "a", "ordered_at": "2025-07-01 00:00", "amount": 100},
    {"order_id": "b1", "customer_id": "b", "ordered_at": "2025-06-30 23:59", "amount": 80},
    {"order_id": "b2", "customer_id": "b", "ordered_at": "2025-08-01 10:00", "amount": 200},
    {"order_id": "b3", "customer_id": "b", "ordered_at": "2025-09-30 23:59", "amount": -50, "refund_of": "b2"},
    {"order_id": "c1", "customer_id": "c", "ordered_at": "2024-12-01 10:00", "amount": 60},
    {"order_id": "d1", "customer_id": "d", "ordered_at": "2025-09-01 10:00", "amount": 300},
    {"order_id": "d2", "customer_id": "d", "ordered_at": "2025-10-01 00:00", "amount": 999},
]


@pytest.fixture
def compute(make_tables):
    """Return ``compute(kpi, settings=..., **tables)`` -> (numerator, denominator, n) of 2025Q3."""

    def run(kpi: str, *, settings: EvaluationSettings | None = None, **tables: Any) -> tuple[float, float, int]:
        made = as_of(make_tables(**{"orders": ORDERS, **tables}), QUARTER.end, zone="Asia/Shanghai")
        periods = customer_periods_table(made, quarters=QUARTER.back(9))
        inputs = KpiInputs(made, periods, QUARTER, settings or EvaluationSettings())
        row = kpi_totals(inputs, [kpi]).to_pandas().iloc[0]
        return row["numerator"], row["denominator"], row["n"]

    return run


@pytest.mark.parametrize(
    ("kpi", "numerator", "denominator", "n"),
    [
        ("revenue", 550, None, 3),  # 100 + 200 - 50 + 300
        ("order_count", 3, None, 3),
        ("active_customers", 3, None, 3),  # a, b, d
        ("new_customers", 1, None, 1),  # d
        ("average_order_value", 550, 3, 3),
        ("repurchase_rate", 2, 3, 3),  # a and b of a, b, d
        ("customer_retention_rate", 2, 2, 2),  # a and b of a, b
        ("churn_rate", 1, 3, 3),  # c of a, b, c
        ("yearly_retention_rate", 0, 0, 0),  # nobody had bought by 1 October of the year before
        ("value_growth_rate", 0, 0, 0),  # nobody bought in the four quarters before the last four
        ("refund_rate", 50, 600, 3),
    ],
)
def test_purchase_kpis(compute, kpi: str, numerator: float, denominator: float | None, n: int) -> None:
    top, below, size = compute(kpi)
    assert (top, size) == (numerator, n)
    assert below == denominator or (denominator is None and below != below)


def test_a_quarter_without_purchases_has_zero_denominators(compute) -> None:
    before = [{"customer_id": "a", "ordered_at": "2023-12-01 10:00"}]
    assert compute("average_order_value", orders=before) == (0, 0, 0)
    assert compute("customer_retention_rate", orders=before) == (0, 0, 0)
    assert compute("churn_rate", orders=before) == (0, 0, 0)  # the last purchase lies more than four quarters back


def survey(id_: str, score: float | None, **more: Any) -> dict[str, Any]:
    answered = None if score is None else "2025-08-05 10:00"
    return {"survey_id": id_, "sent_at": "2025-08-01 10:00", "answered_at": answered, "score": score} | more


SURVEYS = [
    survey("s1", 5),
    survey("s2", 4),
    survey("s3", 3),
    survey("s4", None),
    survey("s5", 7, scale_min=0, scale_max=10),  # 0.7 of the way up: not satisfied
    survey("s6", 9),  # outside its scale: no answer to count
    survey("s7", 5, answered_at="2025-10-01 00:00"),  # answered after the quarter: not known yet
    survey("s8", 5, sent_at="2025-06-30 23:00"),  # sent in the quarter before
    survey("n1", 10, question="nps", scale_min=0, scale_max=10),
    survey("n2", 9, question="nps", scale_min=0, scale_max=10),
    survey("n3", 9, question="nps", scale_min=0, scale_max=10),
    survey("n4", 8, question="nps", scale_min=0, scale_max=10),
    survey("n5", 0, question="nps", scale_min=0, scale_max=10),
    survey("q1", 4, question="resolution_efficiency"),
    survey("q1", 5, question="professional_attitude"),
]


def test_satisfaction_counts_four_and_five_of_five_among_answers_known_at_the_end(compute) -> None:
    assert compute("satisfaction_rate", surveys=SURVEYS) == (2, 4, 4)


def test_csat_is_the_mean_share_of_the_scale_over_the_service_questions(compute) -> None:
    top, below, n = compute("csat_points", surveys=SURVEYS)
    # 4/5 + 5/5, times 100 over 2 = 90 points; both answers stand on one questionnaire: n is 1
    assert (round(top, 9), below, n) == (1.8, 2, 1)
    only = EvaluationSettings(csat_questions=("resolution_efficiency",))
    assert compute("csat_points", surveys=SURVEYS, settings=only) == (0.8, 1, 1)


def test_csat_by_the_top_two_boxes_counts_the_best_steps(compute) -> None:
    top_two = EvaluationSettings(satisfaction={"csat_method": "top_two_box"})
    low = survey("q2", 3, question="resolution_efficiency")
    assert compute("csat_points", surveys=[*SURVEYS, low], settings=top_two) == (2, 3, 2)  # 4 and 5, not 3


def test_nps_of_three_promoters_one_passive_and_one_detractor_is_40(compute) -> None:
    assert compute("nps", surveys=SURVEYS) == (2, 5, 5)  # 2 / 5 x 100 = 40; the score 0 is a detractor


def test_another_scale_is_no_nps(compute) -> None:
    others = [survey("n6", 5, question="nps"), survey("n7", 11, question="nps", scale_min=0, scale_max=10)]
    assert compute("nps", surveys=[*SURVEYS, *others]) == (2, 5, 5)


def test_positive_reviews_are_four_and_five_of_five(compute) -> None:
    reviews = [survey(f"r{n}", score, question="review") for n, score in enumerate([5, 4, 3, 1])]
    ten = survey("r9", 8, question="review", scale_min=0, scale_max=10)
    assert compute("positive_review_share", surveys=[*SURVEYS, *reviews, ten]) == (3, 5, 5)
    own = EvaluationSettings(review_question="shop rating")
    assert compute("positive_review_share", surveys=reviews, settings=own) == (0, 0, 0)


def test_coverage_counts_customers_who_bought_within_the_year(compute) -> None:
    surveys = [
        survey("s1", 5, customer_id="a"), survey("s2", None, customer_id="a"), survey("s3", None, customer_id="c"),
        survey("s4", 5, customer_id="z"),  # never bought
        survey("s5", 5, customer_id="b", sent_at="2025-06-30 23:00"),  # asked in the quarter before
        survey("n1", 9, customer_id="b", question="nps", scale_min=0, scale_max=10),  # asked for something else
    ]  # fmt: skip
    assert compute("survey_coverage_rate", surveys=surveys) == (2, 4, 4)  # a and c of a, b, c, d


def test_response_rate_counts_questionnaires_not_questions(compute) -> None:
    # sent with the question of satisfaction: s1 to s7; unanswered at the quarter's end: s4, s7
    asked_twice = survey("s1", 4)
    assert compute("survey_response_rate", surveys=[*SURVEYS, asked_twice]) == (5, 7, 7)


def contact(customer: str, **more: Any) -> dict[str, Any]:
    return {"customer_id": customer, "opened_at": "2025-08-01 09:00"} | more


INTERACTIONS = [
    contact("a", first_human_reply_at="2025-08-01 10:00"),
    contact("a", first_human_reply_at="2025-08-01 12:00", kind="complaint"),
    contact("b", first_human_reply_at=None),
    contact("b", first_human_reply_at="2025-10-02 09:00"),  # replied after the quarter: unanswered then
    contact("b", direction="out", kind="care"),
    contact("b", direction="out", kind="marketing"),  # mass marketing is no contact
    contact("z", direction="out", kind="care"),  # never bought
    contact("a", first_human_reply_at="2025-06-01 10:00", opened_at="2025-06-01 09:00"),
]


def test_first_response_is_the_mean_over_cases_answered_by_the_quarters_end(compute) -> None:
    assert compute("first_response_hours", interactions=INTERACTIONS) == (4, 2, 2)  # 1 h and 3 h


def test_complaints_are_held_against_the_buyers_of_the_quarter(compute) -> None:
    assert compute("complaint_rate", interactions=INTERACTIONS) == (1, 3, 3)


def test_activity_counts_effective_contacts_with_buyers_of_the_year_per_month(compute) -> None:
    # a: two answered; b: one care call; buyers of the last four quarters: a, b, c, d x 3 months
    assert compute("contacts_per_customer_month", interactions=INTERACTIONS) == (3, 12, 4)


def test_a_call_that_nobody_answered_is_no_effective_contact(compute) -> None:
    ended = {"direction": "out", "kind": "call", "resolved_at": "2025-08-01 09:05"}
    missed, reached = contact("a", **ended, outcome="no_answer"), contact("a", **ended, outcome="reached")
    later = contact("a", **ended | {"resolved_at": "2025-10-01 09:05"}, outcome="no_answer")  # not known in the quarter
    rows = [*INTERACTIONS, missed, reached, later]
    assert compute("contacts_per_customer_month", interactions=rows) == (5, 12, 4)
    every = EvaluationSettings(kpis={"unreached_outcomes": ()})
    assert compute("contacts_per_customer_month", interactions=rows, settings=every) == (6, 12, 4)


def test_contacts_the_customer_cannot_see_have_no_first_response(compute) -> None:
    hidden = contact("a", first_human_reply_at="2025-08-01 21:00", is_public=False)
    assert compute("first_response_hours", interactions=[*INTERACTIONS, hidden]) == (4, 2, 2)
    seen = hidden | {"is_public": True}
    assert compute("first_response_hours", interactions=[*INTERACTIONS, seen]) == (16, 3, 3)


def test_the_reply_rate_counts_inbound_contacts_answered_by_the_quarters_end(compute) -> None:
    hidden = contact("a", first_human_reply_at=None, is_public=False)
    assert compute("inbound_reply_rate", interactions=[*INTERACTIONS, hidden]) == (2, 4, 4)


def test_customers_contacted_often_have_six_effective_contacts_in_the_quarter(compute) -> None:
    calls = [contact("a", direction="out", kind="call")] * 6 + [contact("b", direction="out", kind="call")] * 5
    calls += [contact("z", direction="out", kind="call")] * 9  # never bought
    calls = [call | {"interaction_id": f"i{n}"} for n, call in enumerate(calls)]
    assert compute("frequent_contact_share", interactions=calls) == (1, 4, 4)
    five = EvaluationSettings(kpis={"contacts_a_month": 5 / 3})
    assert compute("frequent_contact_share", interactions=calls, settings=five) == (2, 4, 4)


def contract(id_: str, customer: str, start: str, end: str, **more: Any) -> dict[str, Any]:
    return {"contract_id": id_, "customer_id": customer, "start_date": start, "end_date": end} | more


CONTRACTS = [
    contract("k1", "a", "2024-01-01", "2024-12-31"),
    contract("k2", "a", "2025-01-01", "2026-12-31"),  # follows k1 by a day
    contract("k3", "b", "2024-05-01", "2025-04-30"),
    contract("k4", "b", "2025-03-01", "2027-12-31", renewal_of="k3"),  # renews k3 early, by name
    contract("k5", "c", "2024-05-01", "2025-04-30"),
    contract("k6", "c", "2025-07-01", "2027-12-31"),  # two months late: not a renewal of k5
    contract("k7", "d", "2024-09-20", "2025-09-20"),  # still inside its grace of 30 days
    contract("k8", "e", "2023-01-01", "2024-08-31"),  # grace over before the 12 months begin
    contract("k9", "f", "2024-01-01", "2024-12-31"),
    contract("k10", "f", "2025-06-15", "2027-12-31", renewal_of="k9"),  # named, but months after the grace
    contract("k11", "g", "2024-05-01", "2025-04-30"),
    contract("k12", "h", "2025-05-31", "2027-12-31", renewal_of="k11"),  # named, of another customer, the last day
    contract("k13", "i", "2024-05-01", "2025-04-30", renewal_of="k13"),  # names itself
]


def test_renewal_judges_contracts_whose_grace_is_over(compute) -> None:
    assert compute("contract_renewal_rate", contracts=CONTRACTS) == (3, 6, 6)  # k1, k3, k11 of k1, k3, k5, k9, k11, k13
    none = EvaluationSettings(renewal_grace_days=0)
    assert compute("contract_renewal_rate", contracts=CONTRACTS, settings=none) == (2, 7, 7)  # k7 is due, k12 too late


def test_conversion_counts_each_opportunity_closed_in_the_quarter_once(compute) -> None:
    rows = [
        {"opportunity_id": "p1", "stage": "lead", "entered_at": "2025-07-02 10:00"},
        {"opportunity_id": "p1", "stage": "closed", "entered_at": "2025-08-02 10:00", "won": True,
         "closed_at": "2025-08-02 10:00"},
        {"opportunity_id": "p2", "stage": "closed", "entered_at": "2025-08-02 10:00", "won": False,
         "closed_at": "2025-08-02 10:00"},
        {"opportunity_id": "p3", "stage": "closed", "entered_at": "2025-06-02 10:00", "won": True,
         "closed_at": "2025-06-02 10:00"},
    ]  # fmt: skip
    assert compute("sales_conversion_rate", opportunities=rows) == (1, 2, 2)


# -- two years: the last four quarters begin on 1 October 2024, the four before on 1 October 2023 ---------------------


def order(customer: str, day: str, amount: float, **more: Any) -> dict[str, Any]:
    return {
        "order_id": f"{customer}-{day}",
        "customer_id": customer,
        "ordered_at": f"{day} 10:00",
        "amount": amount,
    } | more


TWO_YEARS = [
    order("a", "2023-09-30", 999),  # a day before the earlier year
    order("a", "2023-10-01", 100), order("a", "2025-09-30", 150),  # 100 -> 150
    order("b", "2024-09-30", 200), order("b", "2024-10-01", 80), order("b", "2024-11-01", -30),  # 200 -> 50
    order("c", "2024-03-01", 60),  # 60 -> 0
    order("d", "2025-03-01", 500),  # no base
    order("e", "2024-03-01", 40), order("e", "2025-03-01", 40),  # 40 -> 40
    order("f", "2024-02-01", -10), order("f", "2025-02-01", 10),  # a negative base is none
]  # fmt: skip


def test_value_growth_is_of_customers_with_a_base(compute) -> None:
    # (150 - 100) + (50 - 200) + (0 - 60) + (40 - 40) of 100 + 200 + 60 + 40, by a, b, c, e
    assert compute("value_growth_rate", orders=TWO_YEARS) == (-160, 400, 4)


def test_upsell_counts_more_money_or_a_new_category(compute) -> None:
    assert compute("upsell_share", orders=TWO_YEARS) == (1, 3, 3)  # a of a, b, e
    items = [
        {"order_id": "b-2024-09-30", "category": "tea"}, {"order_id": "b-2024-10-01", "category": "tea"},
        {"order_id": "e-2024-03-01", "category": "tea"}, {"order_id": "e-2025-03-01", "category": "books"},
    ]  # fmt: skip
    assert compute("upsell_share", orders=TWO_YEARS, order_items=items) == (2, 3, 3)  # e has books for the first time
    nothing_known = [item | {"category": None} if "2024-03" in item["order_id"] else item for item in items]
    assert compute("upsell_share", orders=TWO_YEARS, order_items=nothing_known) == (1, 3, 3)


def test_yearly_retention_holds_a_year_of_buyers_against_the_year_after(compute) -> None:
    orders = [
        order("kept", "2023-10-02", 10), order("kept", "2024-10-01", 10),  # the first days of both years
        order("lost", "2024-07-02", 10), order("lost", "2024-09-30", 10),  # the last day of the earlier year
        order("gone", "2023-10-01", 10),  # not there at the start any more
        order("new", "2025-07-01", 10),
    ]  # fmt: skip
    assert compute("yearly_retention_rate", orders=orders) == (1, 2, 2)


def test_referrals_are_held_against_new_customers_whose_channel_is_known(compute) -> None:
    orders = [order(customer, "2025-08-01", 10) for customer in "abcd"] + [order("old", "2025-05-01", 10)]
    customers = [
        {"customer_id": "a", "acquisition_channel": "referral"},
        {"customer_id": "b", "acquisition_channel": "partner"},
        {"customer_id": "c"},
        {"customer_id": "old", "acquisition_channel": "referral"},
    ]
    assert compute("referral_share", orders=orders, customers=customers) == (1, 2, 2)
    both = EvaluationSettings(kpis={"referral_channels": ["referral", "partner"]})
    assert compute("referral_share", orders=orders, customers=customers, settings=both) == (2, 2, 2)


def test_kpis_need_their_tables(make_tables) -> None:
    assert available_kpis(make_tables(orders=ORDERS)) == [
        "revenue", "order_count", "active_customers", "new_customers", "average_order_value", "repurchase_rate",
        "customer_retention_rate", "yearly_retention_rate", "churn_rate", "refund_rate", "value_growth_rate",
        "upsell_share",
    ]  # fmt: skip
    assert set(available_kpis(make_tables(orders=ORDERS, surveys=SURVEYS))) >= {"satisfaction_rate", "nps"}
