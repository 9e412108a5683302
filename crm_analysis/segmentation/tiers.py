"""Names of the tiers that settings give, known before any customer is scored."""

from collections.abc import Mapping
from typing import Any

from crm_analysis.base.settings_file import mapping_at
from crm_analysis.segmentation.rules import EIGHT_TYPES, NON_BUYER, RFM_R_SEGMENTS, TEN_SEGMENTS, UNSCORED

_TABLES = {"ten": TEN_SEGMENTS, "rfm_r": RFM_R_SEGMENTS}


def tier_names(values: Mapping[str, Any]) -> list[str]:
    """Return the tiers of the primary scheme of a settings file, customers without scores included.

    Parameters
    ----------
    values
        Settings as written, which may be wrong; what is absent or wrong counts as the default.

    Examples
    --------
    >>> tier_names({"segmentation": {"primary_scheme": "ten_segments", "rfm": {"table": [{"id": "vip"}]}}})
    ['vip', 'others', 'non_buyer', 'unscored']
    """
    if mapping_at(values, "segmentation").get("primary_scheme") != "ten_segments":
        return [*EIGHT_TYPES.values(), NON_BUYER, UNSCORED]
    rfm = mapping_at(values, "segmentation", "rfm")
    table = rfm.get("table", "ten")
    if isinstance(table, list):
        own = [str(rule["id"]) for rule in table if isinstance(rule, Mapping) and "id" in rule]
    else:
        own = [rule.id for rule in _TABLES.get(str(table), TEN_SEGMENTS)]
    return [*dict.fromkeys([*own, str(rfm.get("otherwise", "others")), NON_BUYER, UNSCORED])]
