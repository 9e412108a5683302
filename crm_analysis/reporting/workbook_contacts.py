"""Who a customer of a list is, who looks after him, and whether he may get marketing (REQUIREMENTS X1)."""

from collections.abc import Mapping

import ibis
import pandas as pd

from crm_analysis.base.privacy import DIRECT, mask
from crm_analysis.base.words import Words
from crm_analysis.reporting.workbook_sheets import INPUTS, Sheet, with_owner
from crm_analysis.sources.schema import CUSTOMERS
from crm_analysis.workspace import Workspace

CONTACT_FIELDS = ("name", "phone", "contact_person", "owner")
CONSENT = "marketing_consent"
#: What may stand in the column of the consent; whoever is not recorded has not agreed to anything.
GIVEN, REFUSED, NOT_RECORDED = "given", "refused", "not_recorded"


def customer_sheet(
    ws: Workspace, name: str, rows: pd.DataFrame, *, words: Mapping[str, Words], identified: bool
) -> Sheet:
    """Return a sheet of customers: the first rows of a list with names, contacts, owner and consent.

    Parameters
    ----------
    identified
        Names and contacts in full instead of masked.

    Notes
    -----
    Columns of which the register knows nothing are left out; in lists that staff act from the owner always stands.
    """
    listed = rows.head(ws.settings.report.list_rows)
    if "customers" in ws.tables and len(listed):
        known = _contacts(ws, name, listed, identified=identified)
        listed = listed.drop(columns=[field for field in known if field != "customer_id" and field in listed])
        listed = listed.merge(known, on="customer_id", how="left", validate="many_to_one")
        if CONSENT in known:
            listed[CONSENT] = listed[CONSENT].fillna(NOT_RECORDED)
        kept = [field for field in known if listed[field].notna().any() or (field == "owner" and name in INPUTS)]
        listed = listed[[*kept, *(field for field in listed.columns if field not in known)]]
    return Sheet(name, with_owner(listed, words=words), len(rows))


def _contacts(ws: Workspace, name: str, listed: pd.DataFrame, *, identified: bool) -> pd.DataFrame:
    """Return what the register knows of the customers of a list, by their ids."""
    ids = ws.stage(listed[["customer_id"]], f"listed_{name}")
    known = ws.tables["customers"].semi_join(ids, "customer_id").select("customer_id", *CONTACT_FIELDS)
    contacts = known.to_pandas()
    if not identified:
        for field in CONTACT_FIELDS:
            if CUSTOMERS[field].sensitivity is DIRECT:
                keep = 3 if field == "phone" else 1
                contacts[field] = pd.Series([mask(value, keep=keep) or None for value in contacts[field]], dtype="str")
    agreed = consents(ws.loaded.tables["customers"], ids)
    return contacts if agreed is None else contacts.merge(agreed, on="customer_id", how="outer")


def consents(customers: ibis.Table, listed: ibis.Table) -> pd.DataFrame | None:
    """Return who of a list agreed to marketing and who refused, or None where the company records it of nobody.

    ``customer_id, marketing_consent`` and ``customer_id`` -> ``customer_id, marketing_consent``; customers of whom it
    is not recorded are absent

    Parameters
    ----------
    customers
        The register of today, not that of the quarter's end: the lists are worked off now, and whoever has refused
        since must not be approached.
    """
    recorded = customers.filter(customers[CONSENT].notnull()).select("customer_id", CONSENT)
    if not len(recorded.limit(1).to_pandas()):
        return None
    table = recorded.semi_join(listed, "customer_id").order_by("customer_id").to_pandas()
    return table.assign(**{CONSENT: table[CONSENT].astype(bool).map({True: GIVEN, False: REFUSED}).astype("str")})
