"""Do tiers tell customers apart: planted truth is found, chance is told to be chance, figures by hand."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings import RFMSettings
from crm_analysis.base.settings_value import SeparationSettings
from crm_analysis.base.words import LANGUAGES, Message, Words
from crm_analysis.segmentation import clusters
from crm_analysis.segmentation import value_figures as figures
from crm_analysis.segmentation import value_findings as findings
from crm_analysis.segmentation.next_quarter import NEXT_QUARTER_SCHEMA, next_quarter_table
from crm_analysis.segmentation.separation import (
    PANEL_SCHEMA,
    SEPARATION_SCHEMA,
    check_separation,
    separation_panel,
    separation_table,
    usable_origins,
)

SETTINGS = SeparationSettings(resamples=100, most_clusters=4, silhouette_customers=400)
ORIGINS = [pd.Timestamp(day) for day in ("2025-01-01", "2025-04-01", "2025-07-01")]


def panel(n: int = 400, *, tiers: str = "truth", seed: int = 5, kind: str = "person") -> pd.DataFrame:
    """Return two groups of customers: the first buys again with 80 % and spends 200, the second with 20 % and 50.

    Recency, orders and spend tell the groups apart; the tiers do too (``truth``) or are dealt at random (``chance``).
    """
    rng = np.random.default_rng(seed)
    is_good = np.arange(n) < n // 2
    frames = []
    for origin in ORIGINS:
        bought = rng.random(n) < np.where(is_good, 0.8, 0.2)
        spend = bought * rng.gamma(4.0, np.where(is_good, 50.0, 12.5))
        dealt = is_good if tiers == "truth" else rng.random(n) < 0.5
        frames.append(pd.DataFrame({
            "customer_id": [f"c{k:05}" for k in range(n)], "origin_date": origin, "kind": kind,
            "tier": np.where(dealt, "champions", "lost"),
            "recency_days": np.where(is_good, 10.0, 300.0) + rng.integers(0, 9, n),
            "order_count": np.where(is_good, 60.0, 10.0) + rng.integers(0, 3, n),
            "spend_amount": np.where(is_good, 5000.0, 200.0) + rng.integers(0, 50, n),
            "is_repurchased": bought, "next_spend_amount": spend.round(2),
        }))  # fmt: skip
    return pd.concat(frames, ignore_index=True)[list(PANEL_SCHEMA)]


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    return separation_table(panel(), settings=SETTINGS)


@pytest.fixture(scope="module")
def chance() -> pd.DataFrame:
    return separation_table(panel(tiers="chance"), settings=SETTINGS)


# -- measures ----------------------------------------------------------------------------------------------------------


def test_planted_groups_are_found(truth: pd.DataFrame) -> None:
    check_columns(truth.columns, SEPARATION_SCHEMA, result="separation")
    rules, same, best = (truth.set_index("method").loc[name] for name in ("rules", "clusters_same", "clusters_best"))
    # of two with different outcomes, one of each group: 0.8 * 0.8 = 0.64 right, 0.04 wrong, the rest is a tie
    assert rules["auc"] == pytest.approx(0.64 + 0.32 / 2, abs=0.02)
    assert rules["auc_low"] < 0.8 < rules["auc_high"]
    assert 0.25 < rules["explained_share"] < 0.65
    assert same[["auc_gap", "explained_gap"]].tolist() == [0, 0]  # k-means finds the very same groups
    assert (same["group_count"], best["group_count"]) == (2, 2)
    assert (same["stability"], same["origin_count"], same["n"], same["customer_count"]) == (1.0, 2, 800, 400)
    assert rules["silhouette"] == same["silhouette"] > 0.8
    assert check_separation(truth, settings=SETTINGS)["verdict"] == "rules_hold"


def test_tiers_dealt_at_random_tell_nothing(chance: pd.DataFrame) -> None:
    rules, same = chance.iloc[0], chance.iloc[1]
    assert rules["auc"] == pytest.approx(0.5, abs=0.03)
    assert rules["explained_share"] == pytest.approx(0.0, abs=0.02)
    assert rules["silhouette"] == pytest.approx(0.0, abs=0.05)
    assert same["auc_gap_low"] > 0.2
    document = check_separation(chance, settings=SETTINGS)
    assert (document["status"], document["verdict"]) == ("watch", "rules_worse")
    assert document["recommendation"] == "separation.rules_worse_advice"


def test_recency_alone_is_held_against_the_rules() -> None:
    """Who bought lately buys again, whatever the tier: groups by recency win where tiers are dealt at random."""
    dealt = panel().assign(tier=lambda t: np.where(np.arange(len(t)) % 2 == 0, "x", "y"))
    table = separation_table(dealt, settings=SETTINGS)
    recency = table.set_index("method").loc["recency_groups"]
    assert (recency["group_count"], recency["auc_gap_low"] > 0.2) == (2, True)
    told = check_separation(table, settings=SETTINGS)["message"]["args"]["lead"]["args"]["lost"]
    assert {"message": "separation.worse_auc", "args": {"rival": "recency_groups"}} in told


def test_where_nothing_tells_anything_the_tiers_are_blind() -> None:
    rows = panel(tiers="chance")
    rng = np.random.default_rng(1)
    for origin in ORIGINS:
        mixed = rng.permutation(np.flatnonzero(rows["origin_date"] == origin))
        here = np.sort(mixed)
        rows.loc[here, ["is_repurchased", "next_spend_amount"]] = rows.loc[
            mixed, ["is_repurchased", "next_spend_amount"]
        ].to_numpy()
    table = separation_table(rows.astype({"is_repurchased": bool, "next_spend_amount": float}), settings=SETTINGS)
    assert table["auc"].between(0.46, 0.54).all()
    assert table["explained_share"].abs().max() < 0.02
    assert check_separation(table, settings=SETTINGS)["verdict"] == "rules_blind"


def test_measures_equal_those_of_the_library_and_by_hand() -> None:
    rows = panel(seed=9)
    rows["tier"] = np.random.default_rng(2).choice(["a", "b", "c"], len(rows))
    rules = separation_table(rows, settings=SETTINGS).iloc[0]
    taught, aucs, shares = rows.loc[rows["origin_date"] == ORIGINS[0]], [], []
    typical = taught.loc[taught["next_spend_amount"] > 0, "next_spend_amount"].median()
    rate = taught.groupby("tier")["is_repurchased"].mean()
    level = np.log1p(taught["next_spend_amount"] / typical).groupby(taught["tier"]).mean()
    for origin in ORIGINS[1:]:
        judged = rows.loc[rows["origin_date"] == origin]
        aucs.append(roc_auc_score(judged["is_repurchased"], judged["tier"].map(rate)))
        spend, foretold = np.log1p(judged["next_spend_amount"] / typical), judged["tier"].map(level)
        spend, foretold = spend - spend.mean(), foretold - foretold.mean()
        shares.append(1 - ((spend - foretold) ** 2).sum() / (spend**2).sum())
    assert rules["auc"] == pytest.approx(np.mean(aucs), abs=1e-4)
    assert rules["explained_share"] == pytest.approx(np.mean(shares), abs=1e-4)


def test_a_tier_that_was_not_seen_before_counts_as_the_average() -> None:
    rows = panel()
    late = (rows["origin_date"] != ORIGINS[0]) & (rows["tier"] == "lost")
    rows.loc[late, "tier"] = "new_customers"
    rules = separation_table(rows, settings=SETTINGS).iloc[0]
    # champions (80 %) still rank above the average (50 %)
    assert rules["auc"] == pytest.approx(0.8, abs=0.02)


def test_populations_are_groups_of_their_own() -> None:
    both = pd.concat([panel(), panel(kind="organisation").assign(customer_id=lambda t: "o" + t["customer_id"])])
    table = separation_table(both, settings=SETTINGS)
    assert table["group_count"].tolist() == [4, 4, 4, 4]


def test_rows_names_and_money_change_nothing(truth: pd.DataFrame) -> None:
    rows = panel()
    rows[["spend_amount", "next_spend_amount"]] *= 4.0
    rows["customer_id"] = "x" + rows["customer_id"]
    other = separation_table(rows, settings=SETTINGS)
    pd.testing.assert_frame_equal(truth, other)


def test_same_seed_same_intervals_other_seed_others(truth: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(truth, separation_table(panel(), settings=SETTINGS))
    other = separation_table(panel(), settings=SETTINGS.model_copy(update={"seed": 1}))
    assert truth["auc"].tolist() == other["auc"].tolist()
    assert truth["auc_low"].tolist() != other["auc_low"].tolist()


def test_a_customers_rows_are_drawn_together() -> None:
    rows = panel(n=300)
    copies = pd.concat([rows, rows], ignore_index=True)
    others = pd.concat([rows, rows.assign(customer_id="x" + rows["customer_id"])], ignore_index=True)
    width, of_copies, of_others = (
        table["auc_high"] - table["auc_low"]
        for table in (separation_table(frame, settings=SETTINGS).iloc[0] for frame in (rows, copies, others))
    )
    assert of_copies == pytest.approx(width, rel=0.02)  # the same customers twice tell nothing new
    assert of_others < 0.9 * width


def test_a_difference_must_exceed_the_margin(chance: pd.DataFrame) -> None:
    wide = SETTINGS.model_copy(update={"margin": 0.9})
    assert check_separation(chance, settings=wide)["verdict"] == "rules_blind"


# -- the panel ---------------------------------------------------------------------------------------------------------


def features(n: int) -> pd.DataFrame:
    return pd.DataFrame({
        "customer_id": [f"c{k:03}" for k in range(n)], "kind": "person", "recency_days": 5.0, "order_count": 2,
        "spend_amount": 100.0,
    })  # fmt: skip


def test_panel_by_hand() -> None:
    tiers = pd.DataFrame({"customer_id": ["c000", "c001", "c002"], "tier": ["champions", "lost", "unscored"]})
    done = pd.DataFrame({"customer_id": ["c000", "c001"], "order_count": [2, 0], "spend_amount": [80.0, -10.0]})
    found = separation_panel(
        {date(2025, 4, 1): (features(3), tiers, done.iloc[:0]), date(2025, 1, 1): (features(3), tiers, done)},
        rfm=RFMSettings(), settings=SETTINGS,
    )  # fmt: skip
    check_columns(found.columns, PANEL_SCHEMA, result="separation_panel")
    assert found["customer_id"].tolist() == ["c000", "c001"] * 2
    assert found["origin_date"].dt.month.tolist() == [1, 1, 4, 4]
    assert found["is_repurchased"].tolist() == [True, False, False, False]
    assert found["next_spend_amount"].tolist() == [80.0, -10.0, 0.0, 0.0]
    assert separation_panel({}, rfm=RFMSettings(), settings=SETTINGS).empty


def test_large_companies_are_sampled_by_the_seed() -> None:
    tiers = pd.DataFrame({"customer_id": features(500)["customer_id"], "tier": "lost"})
    done = pd.DataFrame({"customer_id": [], "order_count": [], "spend_amount": []}).astype({"customer_id": "str"})
    settings = SETTINGS.model_copy(update={"sample_customers": 100})
    shuffled = features(500).sample(frac=1, random_state=3)
    one, two = (
        separation_panel({date(2025, 1, 1): (frame, tiers, done)}, rfm=RFMSettings(), settings=settings)
        for frame in (features(500), shuffled)
    )
    assert len(one) == one["customer_id"].nunique() == 100
    assert one["customer_id"].is_monotonic_increasing
    pd.testing.assert_frame_equal(one, two)


def test_what_cannot_be_judged_is_said_to_be() -> None:
    rows = panel(n=150)  # below minimum_customers
    assert usable_origins(rows, settings=SETTINGS) == []
    assert usable_origins(panel().assign(is_repurchased=True), settings=SETTINGS) == []
    assert usable_origins(panel(), settings=SETTINGS) == ORIGINS
    table = separation_table(rows, settings=SETTINGS)
    assert table.empty
    document = check_separation(table, settings=SETTINGS)
    assert (document["status"], document["verdict"]) == ("insufficient", None)
    assert Message.from_json(document["message"]).args == {"minimum": 200}
    one_quarter = panel().query("origin_date == '2025-01-01'")
    assert separation_table(one_quarter, settings=SETTINGS).empty
    assert next_quarter_table(rows, settings=SETTINGS).empty


# -- clusters ----------------------------------------------------------------------------------------------------------


def test_the_number_of_clusters_is_that_of_the_best_silhouette() -> None:
    rng = np.random.default_rng(4)
    centres = np.array([[0, 0, 0], [8, 0, 0], [0, 8, 0]])
    values = np.repeat(centres, 80, axis=0) + rng.normal(0, 0.5, (240, 3))
    counts = clusters.cluster_counts_table(values, settings=SETTINGS)
    assert counts["cluster_count"].tolist() == [2, 3, 4]
    assert clusters.best_cluster_count(counts) == 3
    assert clusters.cluster_stability(values, count=3, settings=SETTINGS) == 1.0
    noise = rng.random((240, 3))
    assert clusters.cluster_stability(noise, count=4, settings=SETTINGS) < 0.9
    same = np.zeros((50, 3))
    assert clusters.best_cluster_count(clusters.cluster_counts_table(same, settings=SETTINGS)) == 1
    assert set(clusters.assign_clusters(clusters.fit_clusters(same, count=3, seed=1), same)) == {0}


def test_scale_by_hand() -> None:
    customers = pd.DataFrame({"recency_days": [0.0] * 3, "order_count": [0.0, np.e - 1, np.e**2 - 1],
                              "spend_amount": [100.0, 300.0, -100.0]})  # fmt: skip
    scale = clusters.fit_scale(customers)
    assert scale.typical_amount == 200.0
    values = scale.apply(customers)
    assert values[:, 0].tolist() == [0, 0, 0]
    assert values[:, 1] == pytest.approx([-1, 0, 1])  # logarithms 0, 1, 2; quartiles 0.5 and 1.5
    assert values[2, 2] < values[0, 2] < values[1, 2]


# -- what tiers did ----------------------------------------------------------------------------------------------------


def test_next_quarter_by_hand() -> None:
    rows = panel(n=200)
    latest = rows["origin_date"] == ORIGINS[-1]
    vip = rows["tier"] == "champions"
    rows.loc[latest, "is_repurchased"] = False
    rows.loc[rows.index[latest & vip][:60], "is_repurchased"] = True
    rows.loc[latest, "next_spend_amount"] = np.where(rows.loc[latest, "is_repurchased"], 50.0, 0.0)
    rows.loc[rows.index[latest & ~vip][:4], "tier"] = "promising"
    table = next_quarter_table(rows, settings=SETTINGS)
    check_columns(table.columns, NEXT_QUARTER_SCHEMA, result="next_quarter")
    table = table.set_index("tier")
    best = table.loc["champions"]
    assert (best["customer_count"], best["repurchase_rate"], best["earlier_count"]) == (100, 0.6, 200)
    # Wilson for 60 of 100
    assert best["repurchase_rate_low"] == pytest.approx(0.5020, abs=1e-4)
    assert best["repurchase_rate_high"] == pytest.approx(0.6906, abs=1e-4)
    # the mean is 30 with a standard error of 50 * sqrt(0.24 / 100) = 2.45
    assert best["next_spend_amount_mean"] == 30.0
    assert best["next_spend_amount_mean_low"] == pytest.approx(30 - 1.96 * 2.45, abs=1.0)
    assert best["next_spend_amount_mean_high"] == pytest.approx(30 + 1.96 * 2.45, abs=1.0)
    assert best["earlier_rate"] == pytest.approx(0.8, abs=0.06)
    small = table.loc["promising"]
    assert small["customer_count"] == 4
    assert small[["repurchase_rate", "next_spend_amount_mean", "earlier_rate"]].isna().all()
    assert table.index[-1] == "promising"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_can_be_said_and_drawn(lang: str, truth: pd.DataFrame, chance: pd.DataFrame) -> None:
    words = Words(lang)
    table = next_quarter_table(panel(), settings=SETTINGS)
    assert "200" in words.say(findings.finding_next_quarter(table))
    assert words.say(findings.finding_next_quarter(table)) in words.say(findings.alt_next_quarter(table))
    assert len(figures.plot_next_quarter(table, words=words).axes) == 2
    assert len(figures.plot_next_quarter(table.iloc[:0], words=words).axes) == 1
    assert words.say(findings.finding_next_quarter(table.iloc[:1])) == words.word("separation.none")
    blind = check_separation(chance, settings=SETTINGS.model_copy(update={"margin": 0.9}))
    for document in (*(check_separation(t, settings=SETTINGS) for t in (truth, chance)), blind):
        assert words.say(findings.finding_separation(document)) in words.say(findings.alt_separation(document))
        advice = document["recommendation"]
        note = words.say(findings.note_separation(document))
        assert note.startswith(words.word(advice) if advice else words.word("separation.note"))
    assert len(figures.plot_separation(truth, words=words).axes) == 2
    nothing = truth.iloc[:0]
    assert len(figures.plot_separation(nothing, words=words).axes) == 1
    assert "200" in words.say(findings.finding_separation(check_separation(nothing, settings=SETTINGS)))
