"""This package's purchase models, on a stored purchase summary."""

import measure
import pandas as pd

from crm_analysis.churn.purchase_fit import fit_purchases
from crm_analysis.churn.purchase_spend import fit_spend


def fit(summary: str, model: str, times: int) -> measure.Job:
    """Fit a purchase model."""
    frame = _read(summary)

    def job() -> dict:
        found = fit_purchases(frame, name=model)
        return {"params": dict(found.params), "converged": found.converged}

    return measure.quickest(job, times=times)


def spend(summary: str, times: int) -> measure.Job:
    """Fit Gamma-Gamma."""
    frame = _read(summary)

    def job() -> dict:
        found = fit_spend(frame)
        return {"params": dict(found.params), "converged": found.converged}

    return measure.quickest(job, times=times)


def _read(summary: str) -> pd.DataFrame:
    return pd.read_csv(summary, dtype={"customer_id": str}, float_precision="round_trip")


if __name__ == "__main__":
    measure.run({"fit": fit, "spend": spend})
