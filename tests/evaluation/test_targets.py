from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_analysis.base.errors import SettingsError
from crm_analysis.base.period import Quarter
from crm_analysis.base.settings import EvaluationSettings, Target
from crm_analysis.evaluation.scorecard import scorecard_table
from crm_analysis.evaluation.targets import all_targets, check_targets, resolve_targets

NAN = float("nan")


@pytest.mark.parametrize(
    ("kpi", "base", "value", "resolved"),
    [
        ("repurchase_rate", 0.5, 0.1, 0.55),
        ("repurchase_rate", 0.5, -0.1, 0.45),
        ("first_response_hours", 4.0, 0.25, 3.0),  # better is less
        ("repurchase_rate", 0.0, 0.1, NAN),  # nothing to improve on
        ("nps", -10.0, 0.1, NAN),
        ("repurchase_rate", NAN, 0.1, NAN),
    ],
)
def test_relative_targets_improve_on_last_year(kpi: str, base: float, value: float, resolved: float) -> None:
    target = Target(kpi=kpi, value=value, relative=True)
    assert resolve_targets([target], year_ago={(kpi, None): base})[kpi, None] == pytest.approx(resolved, nan_ok=True)


def test_the_first_response_is_judged_on_the_clock_of_the_standard() -> None:
    def of_response(**settings: Any) -> dict[str, float]:
        found = check_targets(all_targets(EvaluationSettings(**settings)))
        return {kpi: value for kpi, value in found.items() if kpi.startswith("first_response")}

    assert of_response() == {"first_response_business_hours": 4}
    assert of_response(service={"sla_clock": "calendar"}, first_response_hours=6) == {"first_response_hours": 6}
    own = (Target(kpi="first_response_hours", value=8),)
    assert of_response(targets=own) == {"first_response_hours": 8}


def test_absolute_targets_are_as_written_and_tiers_stand_apart() -> None:
    targets = [Target(kpi="nps", value=20), Target(kpi="nps", value=0.5, tier="gold", relative=True)]
    found = resolve_targets(targets, year_ago={("nps", None): 99.0, ("nps", "gold"): 10.0})
    assert found == {("nps", None): 20, ("nps", "gold"): 15}
    assert check_targets(targets) == {"nps": 20}


def test_a_base_that_is_not_known_gives_no_target() -> None:
    target = Target(kpi="nps", value=0.5, tier="gold", relative=True)
    assert resolve_targets([target], year_ago={("nps", None): 10.0})["nps", "gold"] != 0.5


def test_the_scorecard_judges_by_the_relative_target(make_history) -> None:
    history = make_history(("revenue", "2024Q3", 1000.0, 90), ("revenue", "2025Q3", 1090.0, 100))

    def row(value: float):
        target = Target(kpi="revenue", value=value, relative=True)
        return scorecard_table(history, targets=[target], quarter=Quarter(2025, 3), tolerance=0.05).iloc[0]

    assert row(0.1)[["target", "status"]].tolist() == [1100, "watch"]
    assert row(0.05)["status"] == "good"
    assert row(0.2)["status"] == "bad"


def test_a_small_sample_a_year_ago_is_no_base_for_a_target(make_history) -> None:
    history = make_history(("nps", "2024Q3", 10.0, 29), ("nps", "2025Q3", 20.0, 30))
    target = Target(kpi="nps", value=0.1, relative=True)
    row = scorecard_table(history, targets=[target], quarter=Quarter(2025, 3), tolerance=0.05).iloc[0]
    assert row["status"] == "no_target"


def test_two_targets_for_the_same_tier_are_named_with_all_other_mistakes() -> None:
    wrong = [Target(kpi="nps", value=1, tier="gold"), Target(kpi="nps", value=2, tier="gold"),
             Target(kpi="happiness", value=1)]  # fmt: skip
    with pytest.raises(SettingsError, match=r"(?s)two targets for the tier 'gold'.*no KPI 'happiness'"):
        resolve_targets(wrong, year_ago={})


@given(base=st.floats(0.01, 10), value=st.floats(0, 0.9))
def test_an_improvement_is_never_worse_than_the_base(base: float, value: float) -> None:
    for kpi, sign in (("repurchase_rate", 1), ("first_response_hours", -1)):
        target = Target(kpi=kpi, value=value, relative=True)
        resolved = resolve_targets([target], year_ago={(kpi, None): base})[kpi, None]
        assert sign * (resolved - base) >= -1e-6
