"""Planted faults: how many, in which rows, and how they look; each is counted exactly.

Faults of one field never meet in one row, so a check that finds a fault finds its exact count. Two faults exist only as
text (``unparsable_dates``, ``amounts_as_text``, ``amounts_unreadable``) and so only in CSV files, not in typed Parquet.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_analysis.sources.demo import columns as col
from crm_analysis.sources.demo.block import Block
from crm_analysis.sources.demo.columns import Bools, Ints

CUSTOMER_SHARES = {
    "missing_phone": 0.020, "missing_email": 0.030, "missing_gender": 0.020, "missing_birth_date": 0.030,
    "missing_region": 0.010, "invalid_phone": 0.006, "invalid_email": 0.006, "impossible_birth_date": 0.003,
    "unknown_gender": 0.003, "duplicate_people": 0.008,
}  # fmt: skip
ORDER_SHARES = {
    "orphan_orders": 0.0010, "future_orders": 0.0010, "negative_amounts": 0.0005, "duplicate_orders": 0.0015,
    "unparsable_dates": 0.0010, "amounts_as_text": 0.0020, "amounts_unreadable": 0.0005,
}  # fmt: skip
TEXT_FAULTS = frozenset({"unparsable_dates", "amounts_as_text", "amounts_unreadable"})
INVALID_PHONES = ("12345", "199000", "电话不详", "00000000000", "1990000abcd")
UNPARSABLE_DATES = ("2025-13-45 10:00:00", "待补录", "0000-00-00 00:00:00", "20251301")
UNREADABLE_AMOUNTS = ("abc", "待定", "N/A?")


@dataclass(frozen=True)
class Planted:
    """A table with faults, and their record: fault -> ids of the rows, in order."""

    table: pa.Table
    found: dict[str, list[str]]


def spoil_customers(table: pa.Table, *, block: Block) -> Planted:
    """Plant the faults of ``customers`` (REQUIREMENTS D1, D2): gaps, invalid values, the same person twice."""
    rng, latents = block.rng("customer_faults"), block.latents
    count = len(latents)
    everyone, persons = np.arange(count), np.flatnonzero(~latents.is_organisation)

    pairs = min(_how_many("duplicate_people", CUSTOMER_SHARES, len(persons)), len(persons) // 2)
    chosen = np.sort(rng.permutation(persons)[: 2 * pairs].reshape(pairs, 2), axis=1)
    chosen = chosen[np.argsort(chosen[:, 1])]  # masks fill rows in order
    original, copy = chosen[:, 0], chosen[:, 1]
    contacts = np.setdiff1d(everyone, chosen.ravel())
    picked = {"duplicate_people": copy}
    picked |= _slices(rng, contacts, ("missing_phone", "invalid_phone"))
    picked |= _slices(rng, contacts, ("missing_email", "invalid_email"))
    picked |= _slices(rng, np.intersect1d(contacts, persons), ("missing_gender", "unknown_gender"))
    picked |= _slices(rng, np.intersect1d(contacts, persons), ("missing_birth_date", "impossible_birth_date"))
    picked |= _slices(rng, everyone, ("missing_region",))

    source = everyone.copy()
    source[copy] = original
    spoiled = {name: table[name].combine_chunks() for name in table.column_names}
    for name in ("name", "phone", "gender", "birth_date"):
        spoiled[name] = spoiled[name].take(pa.array(source))
    same_email = copy[rng.random(pairs) < 0.5]
    source[np.setdiff1d(copy, same_email)] = np.setdiff1d(copy, same_email)
    spoiled["email"] = spoiled["email"].take(pa.array(source))
    spoiled["phone"] = _other_phone(spoiled["phone"], rows=copy, count=count)
    spoiled["name"] = _other_name(spoiled["name"], rows=copy[::2], count=count)

    for name in ("phone", "email", "gender", "birth_date", "region"):
        mask = _mask(count, picked[f"missing_{name}"])
        spoiled[name] = pc.if_else(pa.array(~mask), spoiled[name], pa.scalar(None, spoiled[name].type))
    _replace(spoiled, "phone", picked["invalid_phone"], INVALID_PHONES)
    broken = [f"user{latents.number[k]}example.com" for k in picked["invalid_email"]]
    _replace(spoiled, "email", picked["invalid_email"], broken)
    _replace(spoiled, "gender", picked["unknown_gender"], ("未知",))
    ancient, ahead = -29_219, block.world.last_day + 1_000  # 1890-01-01, and a birth yet to come
    rows = picked["impossible_birth_date"]
    mask = pa.array(_mask(count, rows))
    wrong = col.dates(np.where(np.arange(len(rows)) % 2 == 0, ancient, ahead))
    spoiled["birth_date"] = pc.replace_with_mask(spoiled["birth_date"], mask, wrong)
    return Planted(pa.table(spoiled), _record(spoiled["customer_id"], picked))


def spoil_orders(table: pa.Table, *, block: Block, as_text: bool) -> Planted:
    """Plant the faults of ``orders`` (REQUIREMENTS D2); ``as_text`` also those that only text can hold."""
    rng, orders = block.rng("order_faults"), block.orders
    plain = orders.is_sale & ~orders.is_first
    plain[orders.refund_of[orders.refund_of >= 0]] = False
    picked = _slices(rng, np.flatnonzero(plain), tuple(ORDER_SHARES))
    future_day = rng.integers(1, 300, len(picked["future_orders"])) + block.world.last_day
    if not as_text:
        picked = {fault: rows for fault, rows in picked.items() if fault not in TEXT_FAULTS}
    spoiled = {name: table[name].combine_chunks() for name in table.column_names}
    record = _record(spoiled["order_id"], picked)

    rows = picked["orphan_orders"]
    _replace(spoiled, "customer_id", rows, [f"X{orders.number[k]:08d}" for k in rows])
    rows = picked["future_orders"]
    moved = orders.seconds.copy()
    moved[rows] = future_day * col.DAY + orders.seconds[rows] % col.DAY
    spoiled["ordered_at"] = col.times(moved)
    cents = orders.amount.copy()
    cents[picked["negative_amounts"]] *= -1
    spoiled["amount"] = col.money(cents)
    if as_text:
        spoiled["ordered_at"] = spoiled["ordered_at"].cast(pa.string())
        spoiled["amount"] = spoiled["amount"].cast(pa.string())
        _replace(spoiled, "ordered_at", picked["unparsable_dates"], UNPARSABLE_DATES)
        _replace(spoiled, "amount", picked["amounts_unreadable"], UNREADABLE_AMOUNTS)
        rows = picked["amounts_as_text"]
        _replace(spoiled, "amount", rows, [f"¥{orders.amount[k] / 100:,.2f}" for k in rows])
    order = np.sort(np.concatenate([np.arange(len(orders)), picked["duplicate_orders"]]))
    return Planted(pa.table(spoiled).take(pa.array(order)), record)


def _how_many(fault: str, shares: dict[str, float], candidates: int) -> int:
    return min(candidates, max(1, round(shares[fault] * candidates)))


def _slices(rng: np.random.Generator, candidates: Ints, faults: Sequence[str]) -> dict[str, Ints]:
    """Return disjoint rows for each fault, drawn from ``candidates``."""
    shares = CUSTOMER_SHARES | ORDER_SHARES
    shuffled, start, made = rng.permutation(candidates), 0, {}
    for fault in faults:
        stop = start + _how_many(fault, shares, len(candidates))
        made[fault] = np.sort(shuffled[start:stop])
        start = stop
    return made


def _mask(count: int, rows: Ints) -> Bools:
    mask = np.zeros(count, dtype=bool)
    mask[rows] = True
    return mask


def _replace(spoiled: dict[str, pa.Array], name: str, rows: Ints, texts: Sequence[str]) -> None:
    """Replace the values of ``rows`` by ``texts``, again and again from the first."""
    column = spoiled[name]
    values = pa.array([texts[k % len(texts)] for k in range(len(rows))], pa.string())
    spoiled[name] = pc.replace_with_mask(column, pa.array(_mask(len(column), rows)), values)


def _other_phone(phone: pa.Array, *, rows: Ints, count: int) -> pa.Array:
    """Write the phones of ``rows`` in other ways: spaces, dashes, +86."""
    texts = phone.take(pa.array(rows)).to_pylist()
    forms = ("+86 {0} {1} {2}", "{0}-{1}-{2}", "{0} {1} {2}", "+86{0}{1}{2}")
    written = [forms[k % 4].format(t[:3], t[3:7], t[7:]) for k, t in enumerate(texts)]
    return pc.replace_with_mask(phone, pa.array(_mask(count, rows)), pa.array(written, pa.string()))


def _other_name(name: pa.Array, *, rows: Ints, count: int) -> pa.Array:
    """Write the names of ``rows`` with a space after the surname, or behind the name."""
    texts = name.take(pa.array(rows)).to_pylist()
    written = [f"{t[0]} {t[1:]}" if k % 2 == 0 else f"{t} " for k, t in enumerate(texts)]
    return pc.replace_with_mask(name, pa.array(_mask(count, rows)), pa.array(written, pa.string()))


def _record(ids: pa.Array, picked: dict[str, Ints]) -> dict[str, list[str]]:
    return {fault: ids.take(pa.array(rows)).to_pylist() for fault, rows in picked.items()}
