"""The demo company: the same bytes from the same seed, and a truth that its files bear out."""

import hashlib
import itertools
import json
import re
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from crm_analysis.base.calendars import spring_festival
from crm_analysis.base.errors import SettingsError
from crm_analysis.base.settings import load_settings
from crm_analysis.base.words import LANGUAGES, Words
from crm_analysis.sources.demo import make_demo
from crm_analysis.sources.demo.block import make_block, make_world, start_of
from crm_analysis.sources.demo.model import Parameters, stream
from crm_analysis.sources.demo.seasons import make_seasons
from crm_analysis.sources.schema import TABLES

UNTIL = date(2025, 9, 30)
SMALL = 300


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Return folder and truth of a small company with all tables."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, make_demo(folder, customers=SMALL, seed=7, until=UNTIL)


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """Return folder and truth of a company large enough for statistics."""
    folder = tmp_path_factory.mktemp("company")
    wanted = ["customers", "orders", "order_items", "interactions", "actions", "surveys"]
    return folder, make_demo(folder, customers=4000, seed=11, until=UNTIL, tables=wanted)


def hashes(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read(folder: Path, table: str, **options) -> pd.DataFrame:
    return pd.read_csv(folder / f"{table}.csv", keep_default_na=False, na_values=[""], dtype=str, **options)


def sales(folder: Path) -> pd.DataFrame:
    """Return orders that took place and are readable, with the day as a timestamp."""
    orders = read(folder, "orders").drop_duplicates("order_id")
    orders["day"] = pd.to_datetime(orders["ordered_at"], errors="coerce").dt.normalize()
    orders["paid"] = pd.to_numeric(orders["amount"], errors="coerce")
    kept = orders["refund_of"].isna() & (orders["status"] == "completed")
    return orders[kept & orders["day"].notna() & (orders["day"] <= pd.Timestamp(UNTIL))]


# --- bytes


def test_same_seed_gives_same_bytes(demo, tmp_path):
    make_demo(tmp_path / "again", customers=SMALL, seed=7, until=UNTIL)
    assert hashes(tmp_path / "again") == hashes(demo[0])


def test_other_seed_gives_other_bytes(demo, tmp_path):
    make_demo(tmp_path / "other", customers=SMALL, seed=8, until=UNTIL)
    here, there = hashes(tmp_path / "other"), hashes(demo[0])
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] == there[name]] == ["crm.yml"]


@pytest.mark.parametrize("wanted", [["orders"], ["customers", "surveys"], ["events", "budgets", "order_items"]])
def test_subset_of_tables_has_the_bytes_of_the_full_run(demo, tmp_path, wanted):
    truth = make_demo(tmp_path, customers=SMALL, seed=7, until=UNTIL, tables=wanted)
    made = hashes(tmp_path)
    tables = {name: digest for name, digest in made.items() if name.endswith(".csv")}
    assert tables.keys() == {f"{name}.csv" for name in wanted}
    assert tables.items() <= hashes(demo[0]).items()
    assert truth["rows"].keys() == set(wanted)


def test_streams_of_tables_and_blocks_are_independent():
    draws = {(name, block): stream(1, name, block).random() for name in ("orders", "events") for block in (0, 1)}
    assert len(set(draws.values())) == 4
    assert stream(1, "orders", 1).random() == draws["orders", 1]


def test_blocks_make_parquet_parts_with_unique_ids(monkeypatch, tmp_path):
    for module in ("block", "company"):
        monkeypatch.setattr(f"crm_analysis.sources.demo.{module}.BLOCK_SIZE", 150)
    truth = make_demo(tmp_path, customers=400, seed=7, until=UNTIL, format="parquet")
    for name, table in TABLES.items():
        parts = [pd.read_parquet(part) for part in sorted((tmp_path / name).glob("part-*.parquet"))]
        rows = pd.concat(parts)
        assert len(rows) == truth["rows"][name]
        if name not in ("contracts", "orders", "order_items", "events"):
            assert not rows.duplicated(list(table.key)).any(), name
    assert len(list((tmp_path / "orders").glob("*.parquet"))) == 3
    orders = pd.concat([pd.read_parquet(part) for part in (tmp_path / "orders").glob("*")])
    assert orders["order_id"].duplicated().sum() == truth["faults"]["duplicate_orders"]
    assert "unparsable_dates" not in truth["faults"]  # typed columns cannot hold them
    assert len(pd.read_parquet(tmp_path / "truth.parquet")) == 400
    settings = load_settings(tmp_path / "crm.yml")
    assert settings.data.tables["orders"].path == "orders/part-*.parquet"


# --- contract


def test_tables_have_the_columns_of_the_contract(demo):
    folder, truth = demo
    settings = load_settings(folder / "crm.yml")
    assert set(settings.data.tables) == set(TABLES) == set(truth["rows"])
    for name, table in TABLES.items():
        source = settings.data.tables[name]
        frame = pd.read_csv(folder / source.path, dtype=str)
        back = {heading: canonical for canonical, heading in source.columns.items()}
        columns = [back.get(column, column) for column in frame.columns]
        assert len(frame) == truth["rows"][name] > 0
        assert set(columns) <= set(table.names), name
        assert {field.name for field in table if field.required} <= set(columns), name


def test_values_are_allowed_after_the_mapping_of_the_settings(demo):
    folder, truth = demo
    settings = load_settings(folder / "crm.yml")
    outside = {}
    for name, table in TABLES.items():
        source = settings.data.tables[name]
        frame = pd.read_csv(folder / source.path, dtype=str)
        for field in table:
            if field.allowed and field.name in frame:
                mapped = frame[field.name].dropna().replace(source.values.get(field.name, {}))
                wrong = ~mapped.isin(field.allowed)
                if wrong.any():
                    outside[name, field.name] = int(wrong.sum())
    assert outside == {("customers", "gender"): truth["faults"]["unknown_gender"]}
    assert {"kind", "gender", "member_level"} <= set(settings.data.tables["customers"].values)


def test_settings_say_that_it_is_a_demo_and_when_it_was_exported(demo):
    settings = load_settings(demo[0] / "crm.yml")
    assert "演示" in settings.company.zh
    assert "demo" in settings.company.en
    assert settings.data.exported_on == UNTIL
    assert settings.preset == "retail"
    assert all(not Path(source.path).is_absolute() for source in settings.data.tables.values())


def test_every_category_of_the_files_reads_in_both_languages(demo):
    folder, _ = demo
    named = {id_: name.model_dump() for id_, name in load_settings(folder / "crm.yml").names.items()}
    names = {lang: Words(lang, names=named) for lang in LANGUAGES}
    columns = [("customers", "region"), ("customers", "industry"), ("customers", "department"), ("orders", "region"),
               ("orders", "store"), ("order_items", "category"), ("actions", "department")]  # fmt: skip
    for table, field in columns:
        for value in read(folder, table)[field].dropna().unique():
            assert names["zh"].word(f"{field}.{value}") == value
            assert names["en"].word(f"{field}.{value}").isascii(), value
    assert names["en"].word("store.西南二店") == "Southwest, store 2"


def test_no_person_can_be_reached(demo):
    customers = read(demo[0], "customers")
    emails = customers["email"].dropna()
    phones = customers["phone"].dropna().map(normal_phone)
    assert emails[emails.str.contains("@")].str.endswith("@example.com").all()
    real = phones[phones.str.fullmatch(r"1\d{10}")]
    assert len(real) > 0.9 * SMALL
    assert real.str.startswith("1990").all()


def test_truth_is_what_was_returned_in_the_order_of_the_file(demo):
    folder, truth = demo
    written = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    assert written == truth
    assert list(written) == list(truth)
    assert written["parameters"] == Parameters().as_dict()
    assert written["start"] == "2022-10-01"


def test_references_between_tables_hold(demo):
    folder, truth = demo
    customers = set(read(folder, "customers")["customer_id"])
    orders = read(folder, "orders")
    for name, table in TABLES.items():
        if "customer_id" in table and name not in ("customers", "orders", "contracts"):
            assert set(read(folder, name)["customer_id"].dropna()) <= customers, name
    assert set(orders["refund_of"].dropna()) <= set(orders["order_id"])
    assert set(read(folder, "order_items")["order_id"]) <= set(orders["order_id"])
    contracts = read(folder, "contracts")
    assert set(contracts["续约原合同"].dropna()) <= set(contracts["合同编号"])
    campaigns = {campaign["campaign_id"] for campaign in truth["campaigns"]}
    for name in ("orders", "actions", "events"):
        assert set(read(folder, name)["campaign_id"].dropna()) <= campaigns


def test_items_add_up_to_their_order(demo):
    folder, _ = demo
    orders, items = sales(folder), read(folder, "order_items")
    paid = orders.loc[orders["paid"] > 0].set_index("order_id")["paid"]
    cents = (items["amount"].astype(float) * 100).round().astype(int).groupby(items["order_id"]).sum()
    assert (cents.reindex(paid.index) == (paid * 100).round()).all()
    assert items.groupby("order_id").size().between(1, 5).all()


def test_nothing_but_planted_faults_lies_after_the_export(demo):
    folder, truth = demo
    later = {}
    for name, table in TABLES.items():
        frame = read(folder, name)
        for field in table:
            if field.change == "event" and field.name in frame:
                days = frame[field.name].dropna().str[:10]
                late = (days > UNTIL.isoformat()) & days.str.fullmatch(r"20\d\d-\d\d-\d\d")
                if name == "orders":  # 2025-13-45 is no date, whatever it compares to
                    late &= pd.to_datetime(days, errors="coerce").notna()
                if late.any():
                    later[name, field.name] = int(late.sum())
    assert later == {("orders", "ordered_at"): truth["faults"]["future_orders"]}


def test_times_inside_a_row_follow_each_other(demo):
    folder, _ = demo
    for name, columns in {
        "interactions": ("opened_at", "first_human_reply_at", "resolved_at", "reopened_at"),
        "surveys": ("sent_at", "answered_at"),
        "actions": ("assigned_at", "done_at"),
        "receivables": ("invoiced_on", "paid_on"),
    }.items():
        frame = read(folder, name)
        for before, after in itertools.pairwise(columns):
            both = frame[[before, after]].dropna()
            assert len(both) > 0
            assert (both[before] <= both[after]).all(), (name, before, after)
    first = sales(folder).groupby("customer_id")["ordered_at"].min()
    registered = read(folder, "customers").set_index("customer_id")["registered_at"]
    first = first[first.index.isin(registered.index)]
    assert (registered[first.index] <= first).all()


# --- planted faults, each counted from the files alone


def normal_phone(text: str) -> str:
    digits = re.sub(r"[\s-]", "", text)
    return digits.removeprefix("+86")


def counted_faults(folder: Path) -> dict[str, int]:
    customers, orders = read(folder, "customers"), read(folder, "orders")
    persons = customers[customers["kind"] == "个人"]
    phone = customers["phone"].dropna().map(normal_phone)
    good = phone[phone.str.fullmatch(r"1\d{10}")]
    birth = persons["birth_date"].dropna()
    same = (customers["name"].str.replace(" ", "") + phone).loc[good.index]
    at, amount = orders["ordered_at"], orders["amount"]
    readable = pd.to_datetime(at, format="%Y-%m-%d %H:%M:%S", errors="coerce")
    plain = pd.to_numeric(amount, errors="coerce")
    currency = amount.str.fullmatch(r"¥[\d,]+\.\d\d")
    once = ~orders.duplicated("order_id")
    return {
        "duplicate_people": int(same.duplicated().sum()),
        "missing_phone": int(customers["phone"].isna().sum()),
        "invalid_phone": len(phone) - len(good),
        "missing_email": int(customers["email"].isna().sum()),
        "invalid_email": int((~customers["email"].dropna().str.fullmatch(r"[^@]+@[^@]+\.[a-z]+")).sum()),
        "missing_gender": int(persons["gender"].isna().sum()),
        "unknown_gender": int((~persons["gender"].dropna().isin(["男", "女"])).sum()),
        "missing_birth_date": int(persons["birth_date"].isna().sum()),
        "impossible_birth_date": int(((birth < "1915") | (birth > UNTIL.isoformat())).sum()),
        "missing_region": int(customers["region"].isna().sum()),
        "orphan_orders": int((once & ~orders["customer_id"].isin(customers["customer_id"])).sum()),
        "future_orders": int((readable >= pd.Timestamp(2025, 10, 1)).sum()),
        "negative_amounts": int(((plain < 0) & orders["refund_of"].isna()).sum()),
        "duplicate_orders": int((~once).sum()),
        "unparsable_dates": int(readable.isna().sum()),
        "amounts_as_text": int(currency.sum()),
        "amounts_unreadable": int((plain.isna() & ~currency).sum()),
    }


@pytest.mark.parametrize("which", ["demo", "company"])
def test_planted_faults_are_found_exactly(which, request):
    folder, truth = request.getfixturevalue(which)
    assert counted_faults(folder) == truth["faults"]
    assert all(count >= 1 for count in truth["faults"].values())
    named = pd.read_parquet(folder / "faults.parquet")
    assert named.groupby("fault").size().to_dict() == truth["faults"]


def test_faults_are_named_by_id(demo):
    folder, _ = demo
    named = pd.read_parquet(folder / "faults.parquet").groupby("fault")["id"].apply(set)
    customers, orders = read(folder, "customers"), read(folder, "orders")
    assert set(customers.loc[customers["phone"].isna(), "customer_id"]) == named["missing_phone"]
    assert set(orders.loc[orders["order_id"].duplicated(), "order_id"]) == named["duplicate_orders"]
    assert set(orders.loc[orders["customer_id"].str.startswith("X"), "order_id"]) == named["orphan_orders"]


# --- the truth shows in the data


def test_treatment_effect_is_recovered_within_its_interval(company):
    folder, truth = company
    orders = sales(folder)
    actions = read(folder, "actions")
    actions = actions[actions["campaign_id"].notna()]
    launches = {c["campaign_id"]: pd.Timestamp(c["launch_date"]) for c in truth["campaigns"]}
    actions = actions.assign(launch=actions["campaign_id"].map(launches)).reset_index(drop=True)
    pairs = actions[["customer_id", "launch"]].reset_index().merge(orders[["customer_id", "day"]], on="customer_id")
    inside = (pairs["day"] >= pairs["launch"]) & (pairs["day"] < pairs["launch"] + pd.Timedelta(days=60))
    bought = pairs[inside].groupby("index").size().reindex(actions.index, fill_value=0)
    is_control = actions["is_control"] == "true"
    assert 0.17 < is_control.mean() < 0.23
    groups = [bought[~is_control], bought[is_control]]
    log_ratio = np.log(groups[0].mean() / groups[1].mean())
    error = np.sqrt(sum(group.var() / len(group) / group.mean() ** 2 for group in groups))
    low, high = np.exp(log_ratio - 1.96 * error), np.exp(log_ratio + 1.96 * error)
    assert 1.0 < low < 1 + truth["parameters"]["treatment_uplift"] < high


def test_controls_get_no_touch_and_counts_agree(company, demo):
    folder, truth = company
    actions = read(folder, "actions")
    actions = actions[actions["campaign_id"].notna()]
    counted = actions.groupby(["campaign_id", "is_control"]).size()
    for campaign in truth["campaigns"]:
        assert counted[campaign["campaign_id"], "false"] == campaign["treated_count"]
        assert counted[campaign["campaign_id"], "true"] == campaign["control_count"]
    assert actions.loc[actions["is_control"] == "true", "done_at"].isna().all()
    small = read(demo[0], "actions")
    held_out = small[small["is_control"] == "true"]
    touched = read(demo[0], "events")
    touched = touched[touched["campaign_id"].notna()]
    keys = ["customer_id", "campaign_id"]
    assert len(held_out) > 0
    assert touched.merge(held_out, on=keys).empty


def test_nobody_buys_after_dropping_out(company):
    folder, _ = company
    hidden = pd.read_parquet(folder / "truth.parquet").set_index("customer_id")
    last = sales(folder).groupby("customer_id")["day"].max()
    gone = pd.to_datetime(hidden["dropout_date"].dropna())
    last = last[last.index.isin(gone.index)]
    assert len(last) > 500
    assert (last <= gone[last.index]).all()
    assert hidden.loc[hidden["dropout_date"].notna(), "churn_cause"].notna().all()
    assert hidden.loc[hidden["dropout_date"].isna(), "churn_cause"].isna().all()
    assert gone.max() <= pd.Timestamp(UNTIL)  # later ones are not yet true
    prospects = hidden.index[hidden["is_prospect"]]
    assert not sales(folder)["customer_id"].isin(prospects).any()


def test_the_last_quarter_looks_like_the_others():
    # whoever leaves soon after the end fades and complains before it; cutting that off flattered the last quarter
    world = make_world(customers=4000, seed=11, until=UNTIL, parameters=Parameters())
    block = make_block(world, index=0, customers=4000, first_order=1)
    latents, days = block.latents, world.seasons.days
    assert np.isfinite(latents.dropout_day[latents.is_buyer]).all()
    day = block.orders.seconds[block.orders.is_sale] // 86_400 - world.seasons.origin
    who = block.orders.who[block.orders.is_sale]
    ratios = {}
    for end in (days - 365, days):  # those who leave within the 75 days after a day, against those who stay
        fades = (latents.dropout_day >= end) & (latents.dropout_day < end + 75) & (latents.acquired_day < end - 75)
        stays = (latents.dropout_day >= end + 75) & latents.is_buyer & (latents.acquired_day < end - 75)
        inside = (day >= end - 75 + 37) & (day < end)
        bought = np.bincount(who[inside], minlength=len(latents)) / np.maximum(latents.rate, 1e-9)
        ratios[end] = bought[fades].mean() / bought[stays].mean()
    assert all(0.5 < ratio < 0.95 for ratio in ratios.values()), ratios


def test_spring_festival_moves():
    assert {spring_festival(year) for year in (2023, 2024)} == {date(2023, 1, 22), date(2024, 2, 10)}
    seasons = make_seasons(start_of(UNTIL), UNTIL)
    weights = np.diff(seasons.person)
    for year in (2023, 2024, 2025):
        day = seasons.day_of(spring_festival(year))
        trough = range(day, day + 7)
        window = range(seasons.day_of(date(year, 1, 1)), seasons.day_of(date(year, 3, 20)))
        lowest = sorted(window, key=lambda k: weights[k])[:7]
        assert sorted(lowest) == list(trough)
        assert weights[day - 21 : day].mean() > 1.3
    assert weights.mean() == pytest.approx(1.0)


def test_festivals_show_in_the_orders(company):
    daily = sales(company[0]).groupby("day").size()
    for year in (2023, 2024, 2025):
        festival = pd.Timestamp(spring_festival(year))
        before = daily.reindex(pd.date_range(end=festival - pd.Timedelta(days=1), periods=21), fill_value=0)
        during = daily.reindex(pd.date_range(festival, periods=7), fill_value=0)
        assert during.mean() < 0.4 * before.mean()
    for year in (2022, 2023, 2024):
        peak = daily[pd.Timestamp(year, 11, 11)]
        assert peak > 2 * daily[f"{year}-10"].mean()


def test_poor_service_loses_more_customers(company):
    folder, truth = company
    hidden = pd.read_parquet(folder / "truth.parquet").set_index("customer_id")
    customers = read(folder, "customers").set_index("customer_id").join(hidden)
    worst = min(truth["regions"], key=lambda name: truth["regions"][name]["quality"])
    lost = customers["dropout_date"].notna().groupby(customers["region"]).mean()
    assert lost.idxmax() == worst
    assert lost[worst] > 1.2 * lost.drop(worst).max()

    contacts = read(folder, "interactions", parse_dates=["opened_at", "first_human_reply_at"])
    contacts = contacts[contacts["direction"] == "in"].assign(region=contacts["customer_id"].map(customers["region"]))
    hours = (contacts["first_human_reply_at"] - contacts["opened_at"]).dt.total_seconds() / 3600
    assert hours.groupby(contacts["region"]).mean().idxmax() == worst
    complaints = contacts[contacts["kind"] == "complaint"].groupby("region").size() / customers.groupby("region").size()
    assert complaints.idxmax() == worst


def test_story_stays_within_its_bounds(company):
    orders = sales(company[0])
    years = [orders[(orders["day"] >= f"{y}-10-01") & (orders["day"] < f"{y + 1}-10-01")] for y in (2022, 2023, 2024)]
    growth = [len(b) / len(a) - 1 for a, b in itertools.pairwise(years)]
    assert all(0.0 < g < 0.2 for g in growth)
    rates = []
    for start in pd.date_range("2023-10-01", "2025-07-01", freq="QS"):
        active = set(
            orders.loc[orders["day"].between(start - pd.Timedelta(days=365), start, inclusive="left"), "customer_id"]
        )
        after = orders["day"].between(start, start + pd.Timedelta(days=90), inclusive="left")
        rates.append(1 - len(active & set(orders.loc[after, "customer_id"])) / len(active))
    assert 0.25 < np.mean(rates) < 0.45
    surveys = read(company[0], "surveys")
    asked = surveys.loc[surveys["question"] != "review"]
    answered = asked.groupby("survey_id")["answered_at"].first().notna().mean()
    assert 0.30 < answered < 0.45


def test_parameters_change_the_company(tmp_path):
    none = Parameters(prospect_share=0.0, organisation_share=0.0)
    make_demo(tmp_path, customers=SMALL, seed=7, until=UNTIL, tables=["customers"], parameters=none)
    assert set(read(tmp_path, "customers")["kind"]) == {"个人"}
    assert not pd.read_parquet(tmp_path / "truth.parquet")["is_prospect"].any()


@pytest.mark.parametrize("until", [date(2024, 2, 29), date(2024, 12, 31), date(2026, 3, 15)])
def test_any_last_day_works(tmp_path, until):
    truth = make_demo(tmp_path, customers=120, seed=3, until=until)
    days = read(tmp_path, "orders")["ordered_at"].str[:10]
    days = days[pd.to_datetime(days, errors="coerce").notna()]
    assert truth["start"] == start_of(until).isoformat() <= days.min()
    assert (days > until.isoformat()).sum() == truth["faults"]["future_orders"]


def test_a_new_demo_replaces_the_old_one(tmp_path):
    make_demo(tmp_path, customers=120, seed=3, until=UNTIL)
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    make_demo(tmp_path, customers=120, seed=3, until=UNTIL, tables=["orders"], format="parquet")
    assert {path.name for path in tmp_path.iterdir()} == {
        "orders.parquet", "crm.yml", "truth.json", "truth.parquet", "faults.parquet", "notes.txt",
    }  # fmt: skip
    tables = yaml.safe_load((tmp_path / "crm.yml").read_text(encoding="utf-8"))["data"]["tables"]
    assert tables == {"orders": {"path": "orders.parquet"}}


def test_files_of_others_are_left_alone(tmp_path):
    mine = tmp_path / "orders.csv"
    mine.write_text("order_id\n1\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="the folder holds files that are no demo"):
        make_demo(tmp_path, customers=120)
    assert mine.read_text(encoding="utf-8") == "order_id\n1\n"
    with pytest.raises(SettingsError, match="it is a file, not a folder"):
        make_demo(mine, customers=120)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tables": ["order"]}, "unknown tables: order"),
        ({"tables": []}, "no table is named"),
        ({"customers": 99}, "99 customers cannot be made"),
        ({"format": "xlsx"}, "'xlsx' is no format"),
        ({"orders_per_customer": 0.5}, "0.5 orders per customer cannot be made"),
        ({"orders_per_customer": 101}, "give 1 to 100"),
    ],
)
def test_wrong_arguments_are_refused_before_writing(tmp_path, arguments, message):
    with pytest.raises(SettingsError, match=message):
        make_demo(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()
