"""Retention of the top fifth on a year of real orders: 82 % with the tier at the start, 94 % with the tier at the end.

The house's definitions state both numbers but not the quarter. They come out of the second quarter of 2011, of buyers
of the quarter before, ranked by net spend; other quarters and windows give other numbers.
"""

from pathlib import Path

import pandas as pd
import pytest

from crm_analysis.base.period import Quarter
from crm_analysis.evaluation.retention import tier_retention_table
from crm_analysis.opening import open_workspace
from crm_analysis.workspace import Workspace

pytestmark = [pytest.mark.reference, pytest.mark.slow, pytest.mark.xdist_group("online_retail_retention")]

HERE = Path(__file__).parent
QUARTER = Quarter(2011, 2)


@pytest.fixture(scope="module")
def retail(reference_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    text = (HERE / "online_retail.yml").read_text("utf-8").replace("REFERENCE_DATA", str(reference_data.resolve()))
    config = tmp_path_factory.mktemp("retention") / "crm.yml"
    config.write_text(text, "utf-8")
    return open_workspace(config, quarter=str(QUARTER), lang="en")


def _top_fifth(spend: pd.Series, buyers: pd.Index) -> pd.DataFrame:
    ranked = spend.reindex(buyers).fillna(0).sort_index().sort_values(ascending=False, kind="stable")
    tiers = ["top"] * round(len(ranked) / 5)
    return pd.DataFrame({"customer_id": ranked.index, "tier": tiers + ["rest"] * (len(ranked) - len(tiers))})


def test_the_top_fifth_by_spend_at_the_start(retail: Workspace) -> None:
    periods = retail.frame("customer_periods", ["customer_id", "quarter", "order_count", "spend_amount"])
    before = periods.loc[periods["quarter"] == "2011Q1"].set_index("customer_id")
    buyers = before.index[before["order_count"] > 0]
    start = before["spend_amount"]

    def top(spend: pd.Series, name: str) -> tuple[int, float]:
        tiers = retail.stage(_top_fifth(spend, buyers), name)
        found = tier_retention_table(retail.rows("customer_periods"), {QUARTER: tiers}).set_index("tier").loc["top"]
        return int(found["customer_count"]), round(float(found["retention_rate"]), 2)

    assert top(start, "tiers_at_start") == (round(len(buyers) / 5), 0.82)
    end = periods.groupby("customer_id")["spend_amount"].sum()
    assert top(end, "tiers_at_end")[1] == 0.94
