"""The proposed horizon: gaps from orders, the curve by hand, what open gaps change; churn of contracts."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from crm_analysis.base.period import Quarter
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings import ChurnSettings
from crm_analysis.base.settings_churn_model import ChurnModelSettings, HorizonSettings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.churn import figures
from crm_analysis.churn import practice_findings as findings
from crm_analysis.churn.contract_labels import (
    CONTRACT_CHURN_SCHEMA,
    CONTRACT_LABELS_SCHEMA,
    contract_churn_table,
    contract_definition,
    contract_labels_table,
    finding_contract_churn,
    format_contract_churn,
)
from crm_analysis.churn.horizon import (
    GAPS_SCHEMA,
    HORIZON_SCHEMA,
    RETURNS_SCHEMA,
    churn_returns_table,
    horizon_document,
    horizon_table,
    purchase_gaps_table,
)
from crm_analysis.sources.as_of import as_of

DAY = date(2025, 7, 1)


def settings_of(*, horizon_days: int = 90, **horizon) -> ChurnSettings:
    model = ChurnModelSettings(horizon=HorizonSettings(**({"minimum_customers": 1} | horizon)))
    return ChurnSettings(horizon_days=horizon_days, model=model)


def gaps_of(closed: dict[int, int], opened: dict[int, int]) -> pd.DataFrame:
    rows = [(days, False, n) for days, n in closed.items()] + [(days, True, n) for days, n in opened.items()]
    return pd.DataFrame(rows, columns=list(GAPS_SCHEMA)).sort_values(["gap_length_days", "is_open"], ignore_index=True)


def test_gaps_by_hand(make_tables) -> None:
    orders = [
        {"customer_id": "a", "ordered_at": "2025-05-01 09:00"},
        {"customer_id": "a", "ordered_at": "2025-05-01 19:00"},  # the same day
        {"customer_id": "a", "ordered_at": "2025-05-11 09:00"},
        {"customer_id": "a", "ordered_at": "2025-06-30 09:00"},  # one gap per customer
        {"customer_id": "b", "ordered_at": "2025-06-01 09:00"},  # open: followed to 30 June
        {"customer_id": "c", "ordered_at": "2023-05-01 09:00"},  # before the window
        {"customer_id": "c", "ordered_at": "2025-06-10 09:00"},
        {"customer_id": "c", "ordered_at": "2025-06-20 09:00"},
        {"customer_id": "d", "ordered_at": "2025-06-01 09:00", "order_id": "back"},
        {"customer_id": "d", "ordered_at": "2025-06-05 09:00", "amount": -100, "refund_of": "back"},
        {"customer_id": "e", "ordered_at": "2025-07-01 00:00"},  # later
    ]
    known = as_of(make_tables(orders=orders), DAY, zone="Asia/Shanghai")["orders"]
    table = purchase_gaps_table(known, as_of=DAY, settings=ChurnSettings())
    check_columns(table.columns, GAPS_SCHEMA, result="purchase_gaps")
    assert table.to_numpy().tolist() == [[10, False, 2], [29, True, 1]]


def test_the_curve_by_hand() -> None:
    # ten customers: back after 10 (4), 50 (2), 100 (1) days; open after 20 (1), 60 (1) and 200 (1)
    gaps = gaps_of({10: 4, 50: 2, 100: 1}, {20: 1, 60: 1, 200: 1})
    table = horizon_table(gaps, settings=settings_of(candidates=(30, 60, 120), horizon_days=60))
    check_columns(table.columns, HORIZON_SCHEMA, result="horizons")
    # 6/10 are left at 10; 5 are followed at 50, 2 come back: 0.6 x 3/5; 2 at 100, 1 comes back: 0.36 x 1/2
    assert table["returned_rate"].tolist()[:2] == [0.4, 0.64]
    assert table["too_early_share"].tolist()[:2] == pytest.approx([(0.6 - 0.18) / 0.82, (0.36 - 0.18) / 0.82], abs=1e-6)
    error = 0.36 * (4 / (10 * 6) + 2 / (5 * 3)) ** 0.5  # Greenwood
    assert table["returned_rate_low"][1] == pytest.approx(0.64 - 1.959964 * error, abs=1e-6)
    naive = 1 / 7  # leaving out open gaps flatters
    assert table["too_early_share"][1] > naive
    assert table["at_risk_count"].tolist() == [5, 3, 1]


def test_the_shortest_horizon_that_keeps_within_the_share_is_proposed() -> None:
    gaps = gaps_of(dict.fromkeys(range(1, 101), 10), {300: 500})
    for current, id_ in ((60, "horizon.too_short"), (90, "horizon.fits"), (120, "horizon.could_be_shorter")):
        settings = settings_of(horizon_days=current)
        table = horizon_table(gaps, settings=settings)
        found = horizon_document(gaps, table, settings=settings)
        assert (found["status"], found["proposed_days"], found["current_days"]) == ("ok", 90, current)
        assert found["proposed_too_early_share"] == pytest.approx(0.1)
        assert found["quantiles"] == {"50": 50, "75": 75, "90": 90}
        assert (found["n"], found["open_count"]) == (1500, 500)
        assert found["message"]["message"] == id_
        for lang in LANGUAGES:
            words = Words(lang)
            assert words.format_int(1500) in words.say(findings.finding_horizon(found))
            assert words.say(findings.alt_horizon(table, n=found["n"]))
            assert figures.plot_horizon(table, words=words).axes[0].get_xlabel()
    strict = settings_of(too_early_share=0.001, candidates=(30, 60))
    none = horizon_document(gaps, horizon_table(gaps, settings=strict), settings=strict)
    assert (none["status"], none["proposed_days"]) == ("none_fits", None)


def test_open_gaps_are_followed_and_not_left_out() -> None:
    rng = np.random.default_rng(2)
    true = rng.exponential(80, 4_000)
    followed = rng.uniform(1, 360, 4_000)
    length, is_open = np.ceil(np.minimum(true, followed)).astype(int), true > followed
    counted = pd.DataFrame({"gap_length_days": length, "is_open": is_open}).value_counts().reset_index(name="n")
    gaps = counted.rename(columns={"n": "customer_count"}).sort_values(
        ["gap_length_days", "is_open"], ignore_index=True
    )
    table = horizon_table(gaps, settings=settings_of(minimum_customers=30)).set_index("horizon_days")
    assert table.loc[90, "returned_rate"] == pytest.approx(1 - np.exp(-90 / 80), abs=0.03)
    closed = length[~is_open]
    assert (closed <= 90).mean() > 1 - np.exp(-90 / 80) + 0.05  # what leaving them out would say


@pytest.mark.parametrize("gaps", [gaps_of({}, {}), gaps_of({}, {5: 40}), gaps_of({3: 1}, {})])
def test_too_few_gaps_are_told(gaps: pd.DataFrame) -> None:
    settings = settings_of(minimum_customers=10)
    table = horizon_table(gaps, settings=settings)
    assert table.empty
    found = horizon_document(gaps, table, settings=settings)
    assert found["status"] == "insufficient"
    for lang in LANGUAGES:
        assert Words(lang).say(findings.finding_horizon(found))
        assert figures.plot_horizon(table, words=Words(lang))


def test_a_history_shorter_than_the_horizon_is_told() -> None:
    gaps = gaps_of({5: 40, 20: 20}, {30: 40})
    settings = settings_of(horizon_days=90, minimum_customers=30)
    found = horizon_document(gaps, horizon_table(gaps, settings=settings), settings=settings)
    assert found["message"]["message"] == "horizon.too_short_history"


# -- what became of those labelled churned -----------------------------------------------------------------------------

#: Outcome windows of 90 days end on 2025-04-01 and 2025-06-30; data end before 2025-07-01.
LABELLED = {"2025-01-01": {"a": 1, "b": 1, "c": 1, "d": 1, "e": 0, "g": 1}, "2025-04-01": {"b": 1, "e": 1, "f": 1}}
AGAIN = [
    {"customer_id": "a", "ordered_at": "2025-03-31 23:59", "order_id": "given_back"},  # within the window: refunded
    {"customer_id": "a", "ordered_at": "2025-03-31 23:59", "amount": -100, "refund_of": "given_back"},
    {"customer_id": "b", "ordered_at": "2025-04-01 00:00"},  # the first day after the first window
    {"customer_id": "c", "ordered_at": "2025-06-01 09:00", "order_id": "back"},
    {"customer_id": "c", "ordered_at": "2025-06-05 09:00", "amount": -100, "refund_of": "back"},  # counts no more
    {"customer_id": "e", "ordered_at": "2025-06-30 23:59"},  # the last day known; kept at the first origin
    {"customer_id": "f", "ordered_at": "2025-06-29 23:59"},  # the last day of the second window
    {"customer_id": "d", "ordered_at": "2025-07-01 00:00"},  # later
    {"customer_id": "g", "ordered_at": "2025-05-01 09:00"},
    {"customer_id": "g", "ordered_at": "2025-05-09 09:00"},  # counts once
]


def test_who_was_labelled_churned_and_bought_again_by_hand(make_tables) -> None:
    rows = [{"customer_id": id_, "origin": origin, "is_churned": label}
            for origin, labels in LABELLED.items() for id_, label in labels.items()]  # fmt: skip
    tables = make_tables(orders=AGAIN)
    training = tables["orders"].get_backend().create_table("training", pd.DataFrame(rows))
    known = as_of(tables, DAY, zone="Asia/Shanghai")["orders"]
    table = churn_returns_table(training, known, as_of=DAY, settings=ChurnSettings(horizon_days=90))
    check_columns(table.columns, RETURNS_SCHEMA, result="churn_returns")
    first, second = table.to_dict("records")
    # a, b, c, d, g were labelled; b and g bought again; of b, e, f only e
    assert (first["origin_date"], first["churned_count"], first["returned_count"]) == ("2025-01-01", 5, 2)
    assert (second["origin_date"], second["churned_count"], second["returned_count"]) == ("2025-04-01", 3, 1)
    assert table["followed_days"].tolist() == [91, 1]  # 1 April to 30 June, 30 June
    assert table["returned_rate"].tolist() == [0.4, 0.333333]
    assert table.loc[0, ["returned_rate_low", "returned_rate_high"]].tolist() == pytest.approx(
        [0.117621, 0.769276], abs=1e-6)  # fmt: skip
    told = findings.finding_returns(table)
    assert (told.args["origin"], told.args["days"], told.args["returned"]) == ("2025-01-01", 91, 2)
    # with a gap of a day the second window ends with the data, and nobody of it has been followed
    late = churn_returns_table(training, known, as_of=DAY, settings=ChurnSettings(horizon_days=90, gap_days=1))
    assert late["followed_days"].tolist() == [90, 0]
    assert late["returned_count"].tolist() == [1, 0]  # b bought on the last day of the window
    assert late["returned_rate"].isna().tolist() == [False, True]
    unknown = findings.finding_returns(late.tail(1))
    for lang in LANGUAGES:
        assert "40.0%" in Words(lang).say(told)
        assert Words(lang).say(unknown) == Words(lang).word("horizon.returns_none")


def test_nobody_labelled_yet(make_tables) -> None:
    tables = make_tables(orders=AGAIN)
    columns = dict.fromkeys(["customer_id", "origin", "is_churned"], "int32")  # as a stored table without rows has them
    training = tables["orders"].get_backend().create_table("training", schema=columns)
    table = churn_returns_table(training, tables["orders"], as_of=DAY, settings=ChurnSettings())
    check_columns(table.columns, RETURNS_SCHEMA, result="churn_returns")
    assert table.empty
    assert findings.finding_returns(table).id == "horizon.returns_none"


# -- contracts ---------------------------------------------------------------------------------------------------------

CONTRACTS = [
    {"contract_id": "a1", "customer_id": "a", "start_date": "2024-05-01", "end_date": "2025-04-30"},
    {"contract_id": "a2", "customer_id": "a", "start_date": "2025-05-31", "end_date": "2026-04-30"},  # day after grace
    {"contract_id": "b1", "customer_id": "b", "start_date": "2024-05-01", "end_date": "2025-04-30"},
    {"contract_id": "b2", "customer_id": "b", "start_date": "2025-06-01", "end_date": "2026-04-30"},  # too late
    {"contract_id": "c1", "customer_id": "c", "start_date": "2024-05-01", "end_date": "2025-03-31"},
    {"contract_id": "c2", "customer_id": "c", "start_date": "2025-01-01", "end_date": "2026-01-01", "renewal_of": "c1"},
    {"contract_id": "d1", "customer_id": "d", "start_date": "2024-05-01", "end_date": "2025-02-28"},
    {"contract_id": "e1", "customer_id": "e", "start_date": "2024-05-01", "end_date": "2025-06-01"},  # in grace
    {"contract_id": "f1", "customer_id": "f", "start_date": "2024-01-01", "end_date": "2024-12-31"},
    {"contract_id": "f2", "customer_id": "f", "start_date": "2025-06-15", "end_date": "2026-06-14",
     "renewal_of": "f1"},  # linked, but months after the grace
]  # fmt: skip


def test_contract_churn_by_hand(make_tables) -> None:
    known = as_of(make_tables(contracts=CONTRACTS, orders=[]), DAY, zone="Asia/Shanghai")["contracts"]
    labels = contract_labels_table(known, as_of=DAY, grace_days=30, quarters=Quarter(2025, 2).back(4)).to_pandas()
    check_columns(labels.columns, CONTRACT_LABELS_SCHEMA, result="contract_labels")
    found = {row["contract_id"]: row["is_churned"] for row in labels.to_dict("records")}
    assert np.isnan(found.pop("e1"))
    assert found == {"a1": 0, "b1": 1, "c1": 0, "d1": 1, "f1": 1}
    table = contract_churn_table(labels)
    check_columns(table.columns, CONTRACT_CHURN_SCHEMA, result="contract_churn")
    assert table[["quarter", "n", "churned_contract_count", "churn_rate"]].to_numpy().tolist() == [
        ["2024Q4", 1, 1, 1.0], ["2025Q1", 2, 1, 0.5], ["2025Q2", 2, 1, 0.5]]  # fmt: skip
    assert table["in_grace_count"].tolist() == [0, 0, 1]
    assert table["is_running"].tolist() == [False, False, True]
    assert table["churn_rate_low"].tolist()[1:] == [0.094531] * 2  # Wilson, 1 of 2
    few = contract_definition(table, grace_days=30)
    assert (few["churn_rate"], few["n"]) == (None, 5)
    enough = contract_definition(table, grace_days=30, minimum_n=4)
    assert (enough["churn_rate"], enough["in_grace_count"]) == (0.6, 1)
    settled = contract_definition(table.head(2), grace_days=30, minimum_n=3)
    waiting = contract_churn_table(labels.loc[labels["contract_id"] == "e1"])
    assert (waiting["n"].tolist(), waiting["churn_rate"].isna().tolist()) == ([0], [True])
    for lang in LANGUAGES:
        words = Words(lang)
        assert "5" in words.say(finding_contract_churn(few))
        said = words.say(finding_contract_churn(enough))
        assert "60.0%" in said
        assert words.format_quarter("2025Q2") in said
        assert words.format_quarter("2025Q2") not in words.say(finding_contract_churn(settled))
        states = format_contract_churn(table, words=words)["contract_state"].tolist()
        assert states[0] == states[1] == words.word("contract_churn.state_final")
        assert "1" in states[2]
        assert len(format_contract_churn(waiting, words=words)) == 1


def test_a_label_is_final_once_the_grace_is_over(make_tables) -> None:
    """f1 ended on 2024-12-31; its linked contract begins in June, which is no renewal within 30 days."""
    tables = make_tables(contracts=CONTRACTS, orders=[])
    found = []
    for day in (date(2025, 2, 1), date(2025, 4, 1), DAY):
        known = as_of(tables, day, zone="Asia/Shanghai")["contracts"]
        labels = contract_labels_table(known, as_of=day, grace_days=30, quarters=[Quarter(2024, 4)]).to_pandas()
        found.append(labels["is_churned"].tolist())
    assert found == [[1], [1], [1]]


def test_a_renewal_after_the_day_moves_no_label(make_tables) -> None:
    later = [*CONTRACTS, {"contract_id": "d9", "customer_id": "d", "start_date": "2025-07-01", "end_date": "2026-07-01",
                          "renewal_of": "d1"}]  # fmt: skip
    found = []
    for contracts in (CONTRACTS, later):
        known = as_of(make_tables(contracts=contracts, orders=[]), DAY, zone="Asia/Shanghai")["contracts"]
        table = contract_labels_table(known, as_of=DAY, grace_days=30, quarters=Quarter(2025, 2).back(4))
        found.append(table.to_pandas())
    pd.testing.assert_frame_equal(*found)


def test_no_contract_ended() -> None:
    table = contract_churn_table(pd.DataFrame(columns=list(CONTRACT_LABELS_SCHEMA)))
    check_columns(table.columns, CONTRACT_CHURN_SCHEMA, result="contract_churn")
    assert contract_definition(table, grace_days=30)["n"] == 0


def test_candidates_rise() -> None:
    with pytest.raises(ValueError, match="rise"):
        HorizonSettings(candidates=(60, 30))
