"""Which contracts were renewed: one rule for the renewal rate, contract churn and renewals that are due."""

import ibis


def renewed_contracts(contracts: ibis.Table, *, grace_days: int) -> ibis.Table:
    """Return the contracts that another one renews in time.

    ``contract_id, customer_id, start_date, end_date, renewal_of`` behind the door -> ``renewed_id``, each once

    Parameters
    ----------
    grace_days
        Days after the last day of a contract within which a renewal still counts; one of 0 days lets the contract count
        that begins on the next day.

    Notes
    -----
    Two ways to renew, both only until the day after the grace: another contract names it in ``renewal_of``, however
    early that one begins; or another one of the same customer begins on its last day or later. A renewal that begins
    after the grace is a new start and never changes what was said of the old contract.
    """
    later = contracts.select(next_id="contract_id", owner_id="customer_id", next_start="start_date", named="renewal_of")
    ended = contracts.select("contract_id", "customer_id", "end_date")
    # two joins on equal keys: one with an "or" would compare every contract with every other
    linked = ended.join(later, ended.contract_id == later.named)
    followed = ended.join(later, ended.customer_id == later.owner_id)
    pairs = [linked, followed.filter(followed.next_start >= followed.end_date)]
    found = [
        each.filter(
            each.next_id != each.contract_id, each.next_start <= each.end_date + ibis.interval(days=grace_days + 1)
        ).select(renewed_id="contract_id")
        for each in pairs
    ]
    return found[0].union(found[1]).distinct()
