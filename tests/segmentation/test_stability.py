"""Hysteresis: sequences by hand, and what holds of every history."""

from collections.abc import Sequence

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analysis.base.errors import AnalysisError
from crm_analysis.base.privacy import check_columns
from crm_analysis.base.settings_movement import HysteresisSettings, TierBoundary
from crm_analysis.segmentation.stability import STABILITY_SCHEMA, quarters_needed, replay_tiers

ORDER = ("a", "b", "c", "d")
NAMES = [f"20{year}Q{number}" for year in (23, 24, 25) for number in (1, 2, 3, 4)]
#: A letter per quarter, the oldest first; ``x`` has no rank, ``-`` is absent.
HISTORIES = st.lists(st.text(alphabet="abcdx", min_size=8, max_size=8), min_size=1, max_size=15)


def frames(histories: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return a frame per quarter of customers ``c00, c01, ...``."""
    ids = [f"c{k:02}" for k in range(len(histories))]
    made = {}
    for place in range(len(histories[0])):
        tiers = [history[place] for history in histories]
        frame = pd.DataFrame({"customer_id": ids, "tier": tiers})
        made[NAMES[place]] = frame.loc[frame["tier"] != "-"].reset_index(drop=True)
    return made


def replay(*histories: str, boundaries: Sequence[tuple[str, str, int]] = (), **given_) -> pd.DataFrame:
    between = tuple(TierBoundary(from_tier=a, to_tier=b, quarters=n) for a, b, n in boundaries)
    chosen = HysteresisSettings(boundaries=between, **given_)
    return replay_tiers(frames(histories), order=ORDER, settings=chosen)


@pytest.mark.parametrize(
    ("history", "tier", "held_since"),
    [
        ("a", "a", None),
        ("ab", "a", "2023Q2"),  # below for one quarter: held
        ("abb", "b", None),  # for two: falls
        ("abc", "b", "2023Q2"),  # two below a, but only one below b
        ("abcd", "c", "2023Q2"),  # better than its raw tier since the second quarter
        ("aba", "a", None),
        ("abab", "a", "2023Q4"),  # each quarter back in a begins anew
        ("dcba", "a", None),  # rises count at once
        ("da", "a", None),
        ("ax", "x", None),  # no rank: at once, in ...
        ("xd", "d", None),  # ... and out
        ("axb", "b", None),  # and what was held has ended
        ("axbc", "b", "2023Q4"),
        ("a-b", "b", None),  # absent in between
        ("-ab", "a", "2023Q3"),
    ],
)
def test_falls_after_two_quarters(history: str, tier: str, held_since: str | None) -> None:
    found = replay(history).iloc[0]
    assert (found["raw_tier"], found["tier"]) == (history[-1], tier)
    assert found["is_held"] == (tier != history[-1])
    assert found["held_since"] == held_since or (held_since is None and pd.isna(found["held_since"]))


@pytest.mark.parametrize(
    ("history", "quarters", "tier"),
    [("abbb", 3, "b"), ("aabb", 3, "a"), ("acbc", 3, "b"), ("acbd", 4, "a"), ("dddc", 4, "c"), ("abcd", 1, "d")],
)
def test_quarters_to_fall(history: str, quarters: int, tier: str) -> None:
    assert replay(history, quarters_to_fall=quarters)["tier"].tolist() == [tier]


def test_a_boundary_takes_its_own_number_of_quarters() -> None:
    at_once, slow = [("a", "d", 1)], [("a", "b", 4)]
    assert replay("ad", boundaries=at_once)["tier"].tolist() == ["d"]
    assert replay("ac", boundaries=at_once)["tier"].tolist() == ["a"]
    assert replay("abbb", boundaries=slow)["tier"].tolist() == ["a"]
    assert replay("abbbb", boundaries=slow)["tier"].tolist() == ["b"]
    assert replay("acc", boundaries=slow)["tier"].tolist() == ["c"]
    # three quarters below a; it is the way to c that was long enough, and b the best of its two quarters
    assert replay("abbc", boundaries=slow)["tier"].tolist() == ["b"]


def test_a_boundary_remembers_what_a_short_replay_forgets() -> None:
    slow = [("a", "b", 4)]
    whole, short = (replay(history, boundaries=slow)["tier"].tolist() for history in ("abbb", "bbb"))
    assert (whole, short) == (["a"], ["b"])
    assert quarters_needed(HysteresisSettings(boundaries=(TierBoundary(from_tier="a", to_tier="b", quarters=4),))) == 8


def test_customers_are_those_of_the_last_quarter_in_order() -> None:
    quarters = frames(["ab", "bb", "-c"])
    quarters["2023Q1"].loc[2] = ["gone", "a"]
    shuffled = {name: frame.iloc[::-1] for name, frame in quarters.items()}
    found = replay_tiers(shuffled, order=ORDER, settings=HysteresisSettings())
    check_columns(found.columns, STABILITY_SCHEMA, result="stability")
    assert found["customer_id"].tolist() == ["c00", "c01", "c02"]
    assert found["tier"].tolist() == ["a", "b", "c"]
    assert found["is_held"].tolist() == [True, False, False]


def test_switched_off_tiers_follow_the_rules() -> None:
    found = replay("ab", "ad", enabled=False)
    assert found["tier"].tolist() == found["raw_tier"].tolist() == ["b", "d"]
    assert not found["is_held"].any()
    assert found["held_since"].isna().all()


def test_no_quarter_and_customers_twice_are_refused() -> None:
    with pytest.raises(AnalysisError, match="there is no quarter to replay"):
        replay_tiers({}, order=ORDER, settings=HysteresisSettings())
    twice = pd.DataFrame({"customer_id": ["c0", "c0"], "tier": ["a", "b"]})
    with pytest.raises(AnalysisError, match=r"(?s)stands in 2023Q1 twice.*stands in 2023Q2 twice"):
        replay_tiers({"2023Q1": twice, "2023Q2": twice}, order=ORDER, settings=HysteresisSettings())


def test_settings_that_cannot_be_replayed_are_refused() -> None:
    with pytest.raises(ValueError, match="a fall after 9 quarters needs replay_quarters of at least 9"):
        HysteresisSettings(quarters_to_fall=9)
    boundary = TierBoundary(from_tier="a", to_tier="b", quarters=5)
    with pytest.raises(ValueError, match="a fall after 5 quarters needs replay_quarters of at least 5"):
        HysteresisSettings(boundaries=(boundary,), replay_quarters=4)


# -- what holds of every history ---------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(HISTORIES)
def test_one_quarter_to_fall_is_the_raw_tier(histories: list[str]) -> None:
    found = replay(*histories, quarters_to_fall=1)
    assert found["tier"].tolist() == found["raw_tier"].tolist()


@settings(max_examples=25)
@given(HISTORIES, st.integers(1, 4))
def test_the_tier_is_one_of_the_last_quarters_and_never_below_the_raw_one(histories: list[str], quarters: int) -> None:
    found = replay(*histories, quarters_to_fall=quarters)
    for history, tier in zip(histories, found["tier"], strict=True):
        assert tier in history[-quarters:]
        assert tier <= history[-1] or history[-1] == "x"


@settings(max_examples=25)
@given(HISTORIES, st.integers(1, 4))
def test_a_short_replay_gives_what_a_long_one_does(histories: list[str], quarters: int) -> None:
    needed = quarters_needed(HysteresisSettings(quarters_to_fall=quarters))
    whole, short = (replay(*cut, quarters_to_fall=quarters) for cut in (histories, [h[-needed:] for h in histories]))
    assert needed == quarters
    assert whole["tier"].tolist() == short["tier"].tolist()


@settings(max_examples=25)
@given(HISTORIES, st.integers(1, 4), st.randoms(use_true_random=False))
def test_equal_histories_give_equal_tiers_whatever_the_ids_and_their_order(histories, quarters, random) -> None:
    chosen = HysteresisSettings(quarters_to_fall=quarters)
    first = replay_tiers(frames(histories), order=ORDER, settings=chosen)["tier"].tolist()
    again = list(enumerate([*histories, *histories]))
    random.shuffle(again)
    found = replay_tiers(frames([history for _, history in again]), order=ORDER, settings=chosen)
    by_id = dict(zip(found["customer_id"], found["tier"], strict=True))
    assert [by_id[f"c{k:02}"] for k in range(len(again))] == [first[place % len(histories)] for place, _ in again]


@settings(max_examples=25)
@given(HISTORIES)
def test_a_steady_customer_is_never_held(histories: list[str]) -> None:
    steady = [history[:4] + history[4] * 4 for history in histories]
    found = replay(*steady, quarters_to_fall=4)
    assert found["tier"].tolist() == found["raw_tier"].tolist()
