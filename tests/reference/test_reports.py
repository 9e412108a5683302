"""Real data, from the file to the report: published counts are hit on the way (REQUIREMENTS X4, S1)."""

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from crm_analysis.opening import open_workspace
from crm_analysis.reporting.runner import Outcome, Request, make_report
from crm_analysis.workspace import Workspace

pytestmark = [pytest.mark.reference, pytest.mark.slow]

HERE = Path(__file__).parent
PUBLISHED = {  # segment: customers, orders, revenue
    "about_to_sleep": (102, 283, 23449),
    "at_risk": (28, 216, 22227),
    "cant_lose_them": (47, 274, 32446),
    "champions": (35, 316, 31646),
    "lost": (148, 393, 35324),
    "loyal_customers": (170, 799, 76562),
    "need_attention": (10, 57, 4562),
    "new_customers": (104, 329, 28837),
    "potential_loyalists": (342, 2211, 204856),
    "promising": (9, 28, 4249),
}


def _config(name: str, *, reference_data: Path, folder: Path) -> Path:
    text = (HERE / f"{name}.yml").read_text("utf-8").replace("REFERENCE_DATA", str(reference_data.resolve()))
    config = folder / "crm.yml"
    config.write_text(text, "utf-8")
    return config


def _render(config: Path) -> Outcome:
    now = datetime(2026, 1, 5, 6, 30, tzinfo=ZoneInfo("UTC"))
    return make_report(Request(config, config.parent / "reports", today=date(2026, 1, 5), now=now))


@pytest.fixture(scope="module")
def rfm_orders(reference_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _config("rfm_orders", reference_data=reference_data, folder=tmp_path_factory.mktemp("rfm_orders"))


@pytest.fixture(scope="module")
def online_retail(reference_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _config("online_retail", reference_data=reference_data, folder=tmp_path_factory.mktemp("online_retail"))


@pytest.fixture(scope="module")
def retail(online_retail: Path) -> Workspace:
    return open_workspace(online_retail, quarter="2011Q4", lang="en")


@pytest.mark.xdist_group("rfm_orders")
def test_published_segments_come_out_of_the_whole_chain(rfm_orders: Path) -> None:
    outcome = _render(rfm_orders)
    assert outcome.quarter == "2006Q4"
    results = outcome.folder / "results"
    loaded = pd.read_parquet(results / "load_report.parquet").set_index("rule")["row_count"]
    assert loaded.to_dict() == {"read": 4_906, "used": 4_906}
    sizes = pd.read_parquet(results / "ten_segment_sizes.parquet").set_index("segment")
    found = {
        name: (int(row["customer_count"]), int(row["order_count"]), round(row["spend_amount"]))
        for name, row in sizes.iterrows()
    }
    assert found == PUBLISHED
    scores = pd.read_parquet(results / "segments.parquet").set_index("customer_id")
    columns = ["recency_days", "order_count", "spend_amount", "r_score", "f_score", "m_score"]
    assert scores.loc["Abbey O'Reilly", columns].tolist() == [205, 6, 472, 3, 4, 3]
    assert scores.loc["Add Senger", columns].tolist() == [140, 3, 340, 4, 1, 2]
    assert scores.loc["Aden Murphy", columns].tolist() == [98, 7, 596, 5, 4, 4]
    for page in ("report.zh.html", "report.en.html"):
        text = (outcome.folder / page).read_text("utf-8")
        assert [name for name in scores.index if name in text] == []


@pytest.mark.xdist_group("online_retail")
def test_invoice_lines_become_orders_and_nothing_is_lost(retail: Workspace) -> None:
    report = retail.result("load_report")
    lines = report.loc[(report["table"] == "order_items") & ~report["rule"].str.startswith("note.")].set_index("rule")
    assert lines.loc["read", "row_count"] == 541_909
    lines = lines.drop(index="read")
    assert lines["row_count"].sum() == 541_909
    assert lines["amount"].sum() == pytest.approx(9_747_747.934, abs=1e-6)
    assert lines.loc["missing_customer_id", "row_count"] == 135_080
    used = retail.loaded.tables["order_items"]
    credit = used.order_id.startswith("C")
    assert used.count(where=~credit).to_pandas() == 397_884
    orders = retail.loaded.tables["orders"]
    assert orders.count(where=orders.is_refund).to_pandas() + orders.count(where=~orders.is_refund).to_pandas() == (
        report.query("table == 'orders' and rule == 'used'")["row_count"].item()
    )
    assert float(orders.amount.sum(where=~orders.is_refund).to_pandas()) == pytest.approx(8_911_407.904, abs=1e-6)
    quarantine = pd.concat(
        [pd.read_parquet(path) for path in (retail.shared.cache / "tables").glob("*/quarantine/order_items.parquet")]
    )
    ids = pd.concat([quarantine["order_id"], used.select("order_id").to_pandas()["order_id"]])
    assert ids.str.startswith("C").sum() == 9_288
    assert ids.nunique() == 25_900


@pytest.mark.xdist_group("online_retail")
def test_buyers_are_those_with_an_order_that_was_not_cancelled(retail: Workspace) -> None:
    features = retail.result("features")
    assert len(features) == 4_371  # one of the 4,372 customers has only lines without a price
    assert (features["order_count"] > 0).sum() == 4_338
    assert features["gross_amount"].sum() == pytest.approx(8_911_407.904, abs=1e-3)


@pytest.mark.xdist_group("online_retail")
def test_one_year_of_orders_renders_a_full_report(online_retail: Path) -> None:
    outcome = _render(online_retail)
    assert outcome.quarter == "2011Q3"
    scorecard = pd.read_parquet(outcome.folder / "results" / "scorecard.parquet").set_index("kpi")
    assert pd.isna(scorecard.loc["revenue", "year_ago_value"])
    assert scorecard.loc["revenue", "value"] > 0
    page = (outcome.folder / "report.en.html").read_text("utf-8")
    assert "not enough history" in page.lower()
    assert "历史数据不足" in (outcome.folder / "report.zh.html").read_text("utf-8")
