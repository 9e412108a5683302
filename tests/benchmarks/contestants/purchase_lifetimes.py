"""lifetimes, archived since 2020; runs in an environment of its own, with pandas before 2."""

import warnings

import measure
import pandas as pd

warnings.filterwarnings("ignore")
from lifetimes import BetaGeoFitter, GammaGammaFitter, ModifiedBetaGeoFitter, ParetoNBDFitter  # noqa: E402

_FITTERS = {"bg_nbd": BetaGeoFitter, "mbg_nbd": ModifiedBetaGeoFitter, "pareto_nbd": ParetoNBDFitter}


def fit(summary: str, model: str, times: int) -> measure.Job:
    """Fit a purchase model."""
    frame = _read(summary)

    def job() -> dict:
        found = _FITTERS[model]().fit(frame["repeat_count"], frame["age_at_last"], frame["age"])
        return {"params": found.params_.to_dict()}

    return measure.quickest(job, times=times)


def spend(summary: str, times: int) -> measure.Job:
    """Fit Gamma-Gamma on the repeaters."""
    frame = _read(summary)
    kept = frame[frame["repeat_count"] > 0]

    def job() -> dict:
        found = GammaGammaFitter().fit(kept["repeat_count"], kept["repeat_mean_amount"])
        return {"params": found.params_.to_dict()}

    return measure.quickest(job, times=times)


def _read(summary: str) -> pd.DataFrame:
    return pd.read_csv(summary, dtype={"customer_id": str}, float_precision="round_trip")


if __name__ == "__main__":
    measure.run({"fit": fit, "spend": spend})
