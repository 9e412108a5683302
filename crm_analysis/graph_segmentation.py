"""The named results of segmentation: scores, tiers by rule, what holds and overrides them, movement, value, proof.

A tier comes about in three steps: ``raw_segments`` by the rules of the primary scheme, ``held_tiers`` after falls have
lasted, ``tiers`` with what was decided by hand; ``segments`` is the customer frame with the tier in force.
"""

from collections.abc import Callable
from typing import Any

import ibis
import pandas as pd

from crm_analysis.base.period import Quarter
from crm_analysis.freezing import freezable_cuts
from crm_analysis.graph_past import first_order_date, replayed
from crm_analysis.segmentation import (
    concentration,
    cuts,
    linter,
    membership,
    next_quarter,
    periods_view,
    ranks,
    rfm,
    rules,
    schemes,
    segments,
    sizes,
    splits,
    stability,
    value_cube,
)
from crm_analysis.segmentation import movement as moves
from crm_analysis.segmentation import overrides as by_hand
from crm_analysis.segmentation import separation as separating
from crm_analysis.segmentation import value_scores as scoring
from crm_analysis.sources.history import unknown_past_fields
from crm_analysis.workspace import Result, Workspace

Frame = pd.DataFrame
Document = dict[str, Any]
_SECTION = ("segmentation",)
_QUARTERS = 8
_SCORE_COLUMNS = list(scoring.SCORE_FEATURES)


def _wanted_features(ws: Workspace) -> Frame:
    return ws.frame("features", segments.feature_columns(ws.settings.segmentation))


def _past_tiers(ws: Workspace) -> Document:
    """Return the fields that the rules of the primary scheme read although their past values are unknown."""
    columns = segments.feature_columns(ws.settings.segmentation)
    return {"unknown_fields": unknown_past_fields(columns, ws.loaded.tables)}


def _known_quarters(ws: Workspace, count: int) -> list[Quarter]:
    """Return so many quarters back, this one included, whose tiers can be known, oldest first."""
    first, unknown = first_order_date(ws), ws.result("past_tiers")["unknown_fields"]
    return [quarter for quarter in ws.quarter.back(1 if unknown else count) if quarter.end > first]


# -- scores and tiers --------------------------------------------------------------------------------------------------


def _rfm_cuts(ws: Workspace) -> Frame:
    wanted, settings = _wanted_features(ws), ws.settings.segmentation.rfm
    found = segments.population_cuts(wanted, settings=settings, frozen=ws.frozen)
    return rfm.rfm_cuts_table(rfm.rfm_inputs(wanted, settings=settings), cuts=found)


def _rfm_eligibility(ws: Workspace) -> Document:
    return segments.check_rfm_eligibility(_wanted_features(ws), settings=ws.settings.segmentation.rfm)


def _rfm_basis(ws: Workspace) -> Document:
    return cuts.rfm_basis(_wanted_features(ws), settings=ws.settings.segmentation.rfm, frozen=ws.frozen)


def _rfm_split(ws: Workspace) -> Frame:
    wanted, settings = _wanted_features(ws), ws.settings.segmentation.rfm
    bases = cuts.population_bases(wanted, settings=settings, frozen=ws.frozen)
    points = {kind: basis.split for kind, basis in bases.items()}
    return splits.rfm_split_table(rfm.rfm_inputs(wanted, settings=settings), points=points)


def _customer_movements(ws: Workspace) -> Frame:
    return periods_view.customer_movements_table(ws.rows("customer_periods"), quarters=ws.quarter.back(_QUARTERS))


def _raw_segments(ws: Workspace) -> Frame:
    return segments.segments_frame(_wanted_features(ws), settings=ws.settings.segmentation, frozen=ws.frozen)


def _held_tiers(ws: Workspace) -> Frame:
    settings = ws.settings.segmentation
    quarters = _known_quarters(ws, replayed(ws.settings))
    raw = {str(quarter): ws.at(quarter).frame("raw_segments", ["customer_id", "tier"]) for quarter in quarters}
    return stability.replay_tiers(raw, order=ranks.held_tiers(settings), settings=settings.hysteresis)


def _overrides(ws: Workspace, held_tiers: Frame) -> Frame:
    settings = ws.settings.segmentation
    rows = ws.tables["overrides"].to_pandas() if "overrides" in ws.tables else None
    return by_hand.overrides_table(
        rows, held_tiers, as_of=ws.as_of, scheme=settings.primary_scheme, known_tiers=ranks.given_tiers(settings)
    )


def _segments(ws: Workspace, raw_segments: Frame, tiers: Frame) -> Frame:
    return raw_segments.assign(tier=tiers["tier"])  # both are sorted by customer


def _tier_steps(ws: Workspace, tiers: Frame) -> Frame:
    return by_hand.tier_steps_table(tiers, order=ranks.ranked_tiers(ws.settings.segmentation))


def _sizes_by(column: str) -> Callable[..., Frame]:
    def compute(ws: Workspace, segments: Frame) -> Frame:
        return sizes.segment_sizes_table(segments, by=column)

    return compute


# -- tiers by rule -----------------------------------------------------------------------------------------------------


def _sorted_by_rule(ws: Workspace) -> ibis.Table:
    """Return the features with scores, types and stage, as far as rules of settings read them."""
    features, derived = ws.rows("features"), schemes.derived_columns(ws.settings.segmentation.schemes)
    if not derived:
        return features
    return features.left_join(ws.rows("raw_segments").select("customer_id", *derived), "customer_id")


def _scheme_sizes(ws: Workspace, segments: Frame) -> Frame:
    shown, primary = schemes.shown_schemes(ws.settings.segmentation), ws.settings.segmentation.primary_scheme
    table = schemes.scheme_sizes_table(_sorted_by_rule(ws), schemes=shown)
    if primary not in shown:
        return table
    wanted = ws.frame("features", ["customer_id", "spend_amount_365d", "order_count", "order_count_365d"])
    tiers = segments[["customer_id", "tier"]].merge(wanted, on="customer_id", validate="one_to_one")
    return schemes.with_tiers_in_force(table, tiers, scheme=primary)


def _membership(ws: Workspace) -> Frame:
    """Return the levels where the report shows them; settings always know a scheme of that name."""
    shown = schemes.shown_schemes(ws.settings.segmentation)
    return membership.membership_table(_sorted_by_rule(ws), scheme=shown.get(membership.MEMBERSHIP))


def _scheme_tiers(ws: Workspace) -> ibis.Table:
    return schemes.scheme_tiers_table(_sorted_by_rule(ws), schemes=schemes.shown_schemes(ws.settings.segmentation))


# -- movement ----------------------------------------------------------------------------------------------------------


def _tiers_with_spend(ws: Workspace) -> Frame:
    spend = ws.frame("features", ["customer_id", "spend_amount_365d"])
    return moves.tiers_with_spend(ws.frame("segments", ["customer_id", "tier"]), spend)


def _movement(ws: Workspace) -> Frame:
    known = _known_quarters(ws, 5)
    earlier = {name: ws.quarter.shift(-back) for name, back in zip(moves.COMPARISONS, (1, 4), strict=True)}
    frames = {name: _tiers_with_spend(ws.at(quarter)) for name, quarter in earlier.items() if quarter in known}
    return moves.movements_table(frames, _tiers_with_spend(ws), order=ranks.ranked_tiers(ws.settings.segmentation))


def _mix_change(ws: Workspace, movement: Frame) -> Document:
    settings = ws.settings.segmentation
    order, least = ranks.ranked_tiers(settings), settings.movement.minimum_moved
    return {
        name: moves.check_mix_change(moves.since(movement, name), order=order, minimum_moved=least)
        for name in moves.COMPARISONS
    }


# -- value, loyalty, potential, concentration --------------------------------------------------------------------------


def _value_anchors(ws: Workspace) -> Frame:
    """Anchors of the fiscal year's first day; of today where the data did not reach back far enough then."""
    settings = ws.settings.segmentation.value
    now = scoring.score_anchors(ws.frame("features", _SCORE_COLUMNS), settings=settings, anchors_date=ws.as_of)
    before = Quarter(ws.quarter.year, 1, ws.quarter.first_month).shift(-1)
    if (before.end - first_order_date(ws)).days < settings.minimum_history_days:
        return now
    known = ws.at(before).frame("features", _SCORE_COLUMNS)
    frozen = scoring.score_anchors(known, settings=settings, anchors_date=before.end)
    return scoring.with_frozen_anchors(frozen, now)


def _value_scores(ws: Workspace, value_anchors: Frame) -> Frame:
    known = ws.frame("features", _SCORE_COLUMNS)
    return scoring.value_scores(known, anchors=value_anchors, settings=ws.settings.segmentation.value)


def _value_stability(ws: Workspace, value_anchors: Frame, value_scores: Frame) -> Frame:
    """Score the quarter before with the anchors of this one, so that only customers move."""
    settings = ws.settings.segmentation.value
    if ws.quarter.start <= first_order_date(ws):
        return value_cube.score_stability_table(value_scores, value_scores.iloc[:0], settings=settings)
    known = ws.at(ws.quarter.shift(-1)).frame("features", _SCORE_COLUMNS)
    before = scoring.value_scores(known, anchors=value_anchors, settings=settings)
    return value_cube.score_stability_table(value_scores, before, settings=settings)


def _year_spend(ws: Workspace) -> Frame:
    return ws.frame("features", list(concentration.CONCENTRATION_FEATURES))


def _tier_spend(ws: Workspace, segments: Frame) -> Frame:
    return concentration.tier_spend_table(_year_spend(ws), segments, settings=ws.settings.segmentation.concentration)


# -- do the tiers separate? --------------------------------------------------------------------------------------------


def _separation_panel(ws: Workspace, coverage: Document, past_tiers: Document) -> Frame:
    """Tiers at the starts of the last quarters that are over, beside what was bought in them."""
    settings = ws.settings.segmentation
    if past_tiers["unknown_fields"]:
        return separating.separation_panel({}, rfm=settings.rfm, settings=settings.separation)
    last = ws.quarter if coverage["is_complete"] else ws.quarter.shift(-1)
    periods = ws.frame("customer_periods", ["customer_id", "quarter", "order_count", "spend_amount"])
    by_origin = {}
    for quarter in last.back(settings.separation.origins):
        if quarter.start <= first_order_date(ws):
            continue
        then = ws.at(quarter.shift(-1))
        tiers = then.frame("segments", ["customer_id", "tier"])
        bought = periods.loc[periods["quarter"] == str(quarter)]
        by_origin[quarter.start] = (_wanted_features(then), tiers, bought)
    return separating.separation_panel(by_origin, rfm=settings.rfm, settings=settings.separation)


SEGMENTATION = (
    Result("freezable_cuts", "document", freezable_cuts, reads=("features",), sections=_SECTION),
    Result("rfm_cuts", "frame", _rfm_cuts, reads=("features",), sections=_SECTION, schema=rfm.RFM_CUTS_SCHEMA,
           frozen_quarters=1),
    Result("rfm_basis", "document", _rfm_basis, reads=("features",), sections=_SECTION, frozen_quarters=1),
    Result("rfm_split", "frame", _rfm_split, reads=("features",), sections=_SECTION, schema=splits.RFM_SPLIT_SCHEMA,
           frozen_quarters=1),
    Result("rfm_rules", "document",
           lambda ws, segments: rules.rules_document(segments, settings=ws.settings.segmentation.rfm),
           inputs=("segments",), sections=_SECTION),
    Result("rfm_eligibility", "document", _rfm_eligibility, reads=("features",), sections=_SECTION),
    Result("raw_segments", "frame", _raw_segments, reads=("features",), sections=_SECTION,
           schema=segments.SEGMENTS_SCHEMA, frozen_quarters=1),
    Result("past_tiers", "document", _past_tiers, sections=_SECTION),
    Result("held_tiers", "frame", _held_tiers, reads=("raw_segments", "past_tiers"), sections=_SECTION,
           schema=stability.STABILITY_SCHEMA, frozen_quarters=replayed),
    Result("overrides", "frame", _overrides, inputs=("held_tiers",), sections=_SECTION,
           schema=by_hand.OVERRIDES_SCHEMA),
    Result("tiers", "frame", lambda ws, held_tiers, overrides: by_hand.apply_overrides(held_tiers, overrides),
           inputs=("held_tiers", "overrides"), schema=by_hand.TIERS_SCHEMA),
    Result("segments", "frame", _segments, inputs=("raw_segments", "tiers"), schema=segments.SEGMENTS_SCHEMA),
    Result("tier_steps", "frame", _tier_steps, inputs=("tiers",), sections=_SECTION, schema=by_hand.TIER_STEPS_SCHEMA),
    Result("override_counts", "frame", lambda ws, overrides: by_hand.override_counts_table(overrides),
           inputs=("overrides",), schema=by_hand.OVERRIDE_COUNTS_SCHEMA),
    *(
        Result(f"{name}_sizes", "frame", _sizes_by(column), inputs=("segments",), schema=sizes.SIZES_SCHEMA)
        for name, column in [("ten_segment", "ten_segment"), ("eight_type", "eight_type"), ("lifecycle", "stage"),
                             ("primary", "tier")]
    ),
    Result("rfm_grid", "frame", lambda ws, segments: sizes.rfm_grid_table(segments), inputs=("segments",),
           schema=sizes.RFM_GRID_SCHEMA),
    Result("stage_by_type", "frame", lambda ws, segments: sizes.stage_by_type_table(segments), inputs=("segments",),
           schema=sizes.STAGE_BY_TYPE_SCHEMA),
    Result("customer_movements", "frame", _customer_movements, reads=("customer_periods",),
           schema=periods_view.MOVEMENTS_SCHEMA),
    # tiers by rule
    Result("scheme_sizes", "frame", _scheme_sizes, inputs=("segments",), reads=("features", "raw_segments"),
           sections=_SECTION, schema=schemes.SCHEME_SIZES_SCHEMA),
    Result("scheme_lint", "frame",
           lambda ws: linter.lint_table(schemes.shown_schemes(ws.settings.segmentation)),
           sections=_SECTION, schema=linter.LINT_SCHEMA),
    Result("scheme_tiers", "rows", _scheme_tiers, reads=("features", "raw_segments"), sections=_SECTION,
           schema=schemes.SCHEME_TIERS_SCHEMA),
    Result("membership", "frame", _membership, reads=("features", "raw_segments"), sections=_SECTION,
           schema=membership.MEMBERSHIP_SCHEMA),
    # movement
    Result("movement", "frame", _movement, reads=("segments", "features", "past_tiers"), sections=_SECTION,
           schema=moves.MOVEMENT_SCHEMA, frozen_quarters=lambda settings: 4 + replayed(settings)),
    Result("mix_change", "document", _mix_change, inputs=("movement",), sections=_SECTION),
    # value, loyalty, potential
    Result("value_anchors", "frame", _value_anchors, reads=("features",), sections=_SECTION,
           schema=scoring.ANCHORS_SCHEMA),
    Result("value_scores", "frame", _value_scores, inputs=("value_anchors",), reads=("features",), sections=_SECTION,
           schema=scoring.VALUE_SCORES_SCHEMA),
    Result("value_cube", "frame",
           lambda ws, value_scores: value_cube.value_cube_table(value_scores, settings=ws.settings.segmentation.value),
           inputs=("value_scores",), sections=_SECTION, schema=value_cube.CUBE_SCHEMA),
    Result("value_stability", "frame", _value_stability, inputs=("value_anchors", "value_scores"), reads=("features",),
           sections=_SECTION, schema=value_cube.SCORE_STABILITY_SCHEMA),
    Result("pareto", "frame",
           lambda ws: concentration.pareto_table(_year_spend(ws), settings=ws.settings.segmentation.concentration),
           reads=("features",), sections=_SECTION, schema=concentration.PARETO_SCHEMA),
    Result("concentration", "document",
           lambda ws: concentration.concentration_document(_year_spend(ws),
                                                           settings=ws.settings.segmentation.concentration),
           reads=("features",), sections=_SECTION),
    Result("tier_spend", "frame", _tier_spend, inputs=("segments",), reads=("features",), sections=_SECTION,
           schema=concentration.TIER_SPEND_SCHEMA),
    # do the tiers separate?
    Result("separation_panel", "frame", _separation_panel, inputs=("coverage", "past_tiers"),
           reads=("customer_periods", "segments"), sections=_SECTION, schema=separating.PANEL_SCHEMA,
           frozen_quarters=lambda settings: 1 + settings.segmentation.separation.origins + replayed(settings)),
    Result("separation", "frame",
           lambda ws, separation_panel: separating.separation_table(separation_panel,
                                                                    settings=ws.settings.segmentation.separation),
           inputs=("separation_panel",), sections=_SECTION, schema=separating.SEPARATION_SCHEMA),
    Result("separation_verdict", "document",
           lambda ws, separation: separating.check_separation(separation, settings=ws.settings.segmentation.separation),
           inputs=("separation",), sections=_SECTION),
    Result("next_quarter", "frame",
           lambda ws, separation_panel: next_quarter.next_quarter_table(separation_panel,
                                                                        settings=ws.settings.segmentation.separation),
           inputs=("separation_panel",), sections=_SECTION, schema=next_quarter.NEXT_QUARTER_SCHEMA),
)  # fmt: skip
