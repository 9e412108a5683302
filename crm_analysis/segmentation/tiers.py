"""Names of the tiers that settings give, known before any customer is scored."""

from collections.abc import Mapping
from typing import Any

from crm_analysis.base.settings_file import mapping_at
from crm_analysis.segmentation.rules import EIGHT_TYPES, NON_BUYER, RFM_R_SEGMENTS, TEN_SEGMENTS, UNSCORED
from crm_analysis.segmentation.schemes import OUTSIDE

_TABLES = {"ten": TEN_SEGMENTS, "rfm_r": RFM_R_SEGMENTS}


def tier_names(values: Mapping[str, Any]) -> list[str]:
    """Return the tiers of the primary scheme of a settings file, customers without scores or outside of it included.

    Parameters
    ----------
    values
        Settings as written, which may be wrong; what is absent or wrong counts as the default.

    Examples
    --------
    >>> tier_names({"segmentation": {"primary_scheme": "ten_segments", "rfm": {"table": [{"id": "vip"}]}}})
    ['vip', 'others', 'non_buyer', 'unscored']
    """
    primary = mapping_at(values, "segmentation").get("primary_scheme")
    scheme = mapping_at(values, "segmentation", "schemes", str(primary))
    if scheme:
        return _rule_tiers(scheme)
    if primary != "ten_segments":
        return [*EIGHT_TYPES.values(), NON_BUYER, UNSCORED]
    rfm = mapping_at(values, "segmentation", "rfm")
    table = rfm.get("table", "ten")
    if isinstance(table, list):
        own = [str(rule["id"]) for rule in table if isinstance(rule, Mapping) and "id" in rule]
    else:
        own = [rule.id for rule in _TABLES.get(str(table), TEN_SEGMENTS)]
    return [*dict.fromkeys([*own, str(rfm.get("otherwise", "others")), NON_BUYER, UNSCORED])]


def _rule_tiers(scheme: Mapping[Any, Any]) -> list[str]:
    tiers = scheme.get("tiers")
    rows = [*(tiers if isinstance(tiers, list) else []), scheme.get("otherwise")]
    named = [str(row["id"]) for row in rows if isinstance(row, Mapping) and "id" in row]
    return [*dict.fromkeys(named), *([] if scheme.get("population", "all") == "all" else [OUTSIDE])]
