"""pymc-marketing's maximum a posteriori fits; runs in an environment of its own.

A first fit in the same process does not count, so that what is compiled is at hand. Flat priors make the mode the
maximum of the likelihood, as for the others.
"""

import warnings

import measure
import pandas as pd
from pymc_extras.prior import Prior
from pymc_marketing import clv

warnings.filterwarnings("ignore")
_MODELS = {"bg_nbd": ("BetaGeoModel", "a", "b"), "mbg_nbd": ("ModifiedBetaGeoModel", "a", "b"),
           "pareto_nbd": ("ParetoNBDModel", "s", "beta")}  # fmt: skip


def fit(summary: str, model: str, times: int) -> measure.Job:
    """Fit a purchase model."""
    names = {"repeat_count": "frequency", "age_at_last": "recency", "age": "T"}
    whole = pd.read_csv(summary, dtype={"customer_id": str}, float_precision="round_trip")
    frame = whole[["customer_id", *names]].rename(columns=names)
    name, third, fourth = _MODELS[model]
    flat = {parameter: Prior("HalfFlat") for parameter in ("r", "alpha", third, fourth)}

    def job() -> dict:
        made = getattr(clv, name)(data=frame, model_config=flat)
        made.fit(method="map", progressbar=False)
        posterior = made.idata.posterior
        return {"params": {parameter: float(posterior[parameter].mean()) for parameter in flat}}

    return measure.quickest(job, times=times)


if __name__ == "__main__":
    measure.run({"fit": fit})
