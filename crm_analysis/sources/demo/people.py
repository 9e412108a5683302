"""The register: customers, and the history of their overwritten fields."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_analysis.sources.demo import columns as col
from crm_analysis.sources.demo import vocabulary as words
from crm_analysis.sources.demo.block import Block
from crm_analysis.sources.demo.columns import Bools, Ints
from crm_analysis.sources.demo.seasons import seconds_of_day

LEVEL_THRESHOLDS = (1_000, 3_000, 8_000)  # yuan in the last 365 days


def registered_seconds(block: Block) -> Ints:
    """Return when each customer was registered: minutes to days before the first order, or at the acquisition."""
    latents, rng = block.latents, block.rng("registered")
    office = latents.is_organisation
    count = len(latents)
    made = (block.world.seasons.origin + latents.acquired_day) * col.DAY + seconds_of_day(rng, office=office)
    at_once = rng.random(count) < 0.4
    lag = np.where(at_once, 120 + 1800 * rng.random(count), col.DAY * (0.1 + rng.exponential(3.0, count)))
    first = np.flatnonzero(block.orders.is_first)
    made[block.orders.who[first]] = block.orders.seconds[first] - lag[block.orders.who[first]].astype(np.int64)
    return made


def customers_table(block: Block, *, registered: Ints) -> pa.Table:
    """Return the canonical ``customers`` without faults (REQUIREMENTS D1, P1, P6)."""
    world, latents, rng = block.world, block.latents, block.rng("customers")
    count, organisation = len(latents), latents.is_organisation
    person = ~organisation
    city_codes = latents.region * 5 + latents.city
    cities = [city for group in words.CITIES for city in group]
    city = col.pick(cities, city_codes)

    def letter(letters: tuple[str, ...]) -> pa.Array:
        return col.pick(letters, rng.integers(0, len(letters), count))

    own = col.joined(letter(words.SURNAMES), letter(words.GIVEN))
    third = np.where(rng.random(count) < 0.3, 0, rng.integers(1, len(words.GIVEN) + 1, count))
    own = col.joined(own, col.pick(("", *words.GIVEN), third))
    company = col.joined(
        city, letter(words.COMPANY_FIRST), letter(words.COMPANY_SECOND), letter(words.COMPANY_KINDS),
        words.COMPANY_SUFFIX,
    )  # fmt: skip
    name = pc.if_else(pa.array(organisation), company, own)
    age_days = np.clip(rng.normal(38, 11, count), 18, 78) * 365.25
    channel = col.choose(rng, (16, 18, 14, 6, 4, 12, 5, 25), count)
    cost = np.round(np.exp(rng.normal(4.2, 0.5, count)) * np.array([1, 1.2, 1.5, 2.5, 0.6, 0.8, 1, 0.3])[channel])
    spent = _recent_spend(block)
    level = np.where(person, np.searchsorted(LEVEL_THRESHOLDS, spent / 100, side="right"), -1)
    points = np.where(person, np.floor(spent / 100 * (0.2 + 0.8 * rng.random(count))), 0)
    touched = world.end - col.DAY * rng.exponential(220, count)
    size = col.choose(rng, (40, 35, 18, 7), count)
    position = np.where(rng.random(count) < 0.7, 2, np.minimum(1, 3 - size))
    categories = list(words.CATEGORIES)
    known = rng.random((6, count))

    def note(texts: tuple[str, ...], share: float, row: int) -> pa.Array:
        filled = organisation & (known[row] < share)
        return col.pick(texts, rng.integers(0, len(texts), count), valid=filled)

    feedback = np.where(latents.quality < -0.9, 3, rng.integers(0, 3, count))
    bought = col.joined(
        col.pick(categories, latents.favourites[:, 0]), "、", col.pick(categories, latents.favourites[:, 1])
    )
    return pa.table({
        "customer_id": col.ids("C", latents.number),
        "kind": col.pick(words.KINDS, organisation.astype(np.int64)),
        "name": name,
        "phone": col.ids("199", latents.number, width=8),
        "email": col.joined(col.ids("user", latents.number, width=1), "@example.com"),
        "wechat": col.ids("wx_demo_", latents.number, width=1, valid=known[0] < 0.7),
        "address": col.joined(
            city, col.pick(words.STREETS, rng.integers(0, len(words.STREETS), count)),
            col.ids("", rng.integers(1, 999, count), width=1), "号",
        ),
        "gender": col.pick(words.GENDERS, np.where(person, rng.random(count) < 0.44, -1).astype(np.int64)),
        "birth_date": col.dates(world.seasons.origin - age_days, valid=person),
        "region": col.pick(words.REGIONS, latents.region),
        "city": city,
        "industry": col.pick(words.INDUSTRIES, rng.integers(0, 8, count), valid=organisation),
        "company_size": col.pick(words.COMPANY_SIZES_ZH, size, valid=organisation),
        "industry_position": col.pick(words.POSITIONS, position, valid=organisation),
        "cooperation_start": col.dates(registered // col.DAY, valid=organisation & latents.is_buyer),
        "registered_at": col.times(registered),
        "acquisition_channel": col.pick(words.ACQUISITION_CHANNELS, channel),
        "acquisition_cost": col.money((cost * 100).astype(np.int64), valid=~latents.is_founding),
        "owner": col.pick(world.staff.names, latents.owner, valid=known[1] < 0.98),
        "department": col.pick(words.DEPARTMENTS, np.where(organisation, 0, np.where(level >= 1, 0, 2))),
        "member_level": col.pick(words.MEMBER_LEVELS, level),
        "points": col.integers(points, valid=person),
        "contact_person": _contact(block, valid=organisation & (known[2] < 0.95)),
        "marketing_consent": col.flags(latents.consent),
        "products_bought": pc.if_else(
            pa.array(latents.is_buyer & (known[5] < 0.9)), bought, pa.scalar(None, pa.string())
        ),
        "past_feedback": col.pick(words.REGISTER_FEEDBACK, feedback, valid=latents.is_buyer & (known[3] < 0.8)),
        "recent_developments": note(words.REGISTER_DEVELOPMENTS, 0.45, 4),
        "latent_needs": note(words.REGISTER_NEEDS, 0.40, 5),
        "decision_chain": note(words.REGISTER_CHAIN, 0.35, 3),
        "updated_at": col.times(np.maximum(registered, touched)),
    })  # fmt: skip


def customers_history_table(block: Block, *, registered: Ints, register: pa.Table) -> pa.Table:
    """Return the canonical ``customers_history``: first owner and region, and one later change of some.

    Parameters
    ----------
    register
        ``customers`` with its faults: what the register does not hold was never entered, so it has no history either,
        and the last value of a field is the one that stands in the register.
    """
    world, latents, rng = block.world, block.latents, block.rng("customers_history")
    staff, count = world.staff, len(latents)
    moved = rng.random(count) < 0.08
    when = registered + (world.end - registered) * (0.2 + 0.7 * rng.random(count))
    colleague = latents.region * staff.per_region + rng.integers(0, staff.per_region, count)
    before = np.where(moved, colleague, latents.owner)
    everyone, changed = np.arange(count), np.flatnonzero(moved)
    who = np.concatenate([everyone, everyone, changed])
    at = np.concatenate([registered, registered, when[changed].astype(np.int64)])
    value = pa.concat_arrays([
        col.pick(staff.names, before), col.pick(words.REGIONS, latents.region),
        col.pick(staff.names, latents.owner[changed]),
    ])  # fmt: skip
    field = np.concatenate([np.zeros(count), np.ones(count), np.zeros(len(changed))]).astype(np.int64)
    entered = np.vstack([register[name].is_valid().to_numpy() for name in ("owner", "region")])
    order = np.lexsort((at, field, who))
    order = order[entered[field, who][order]]
    made = pa.table({
        "customer_id": col.ids("C", latents.number[who]),
        "field": col.pick(("owner", "region"), field),
        "value": value,
        "changed_at": col.times(at),
    })  # fmt: skip
    return made.take(pa.array(order))


def _recent_spend(block: Block) -> Ints:
    """Return cents bought in the last 365 days, refunds taken off."""
    orders = block.orders
    recent = (orders.seconds >= block.world.end - 365 * col.DAY) & (orders.status != 1)
    spent = np.bincount(orders.who[recent], weights=orders.amount[recent], minlength=len(block.latents))
    return np.maximum(np.round(spent), 0).astype(np.int64)


def _contact(block: Block, *, valid: Bools) -> pa.Array:
    rng, count = block.rng("contact_person"), len(block.latents)
    first = col.pick(words.SURNAMES, rng.integers(0, len(words.SURNAMES), count), valid=valid)
    return col.joined(first, col.pick(("经理", "主任", "总监"), rng.integers(0, 3, count)))
