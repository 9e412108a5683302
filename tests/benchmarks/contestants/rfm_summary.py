"""pymc-marketing's ``rfm_summary``; runs in an environment of its own."""

import measure
import pandas as pd
from pymc_marketing.clv.utils import rfm_summary


def summary(purchases: str, last_day: str, output: str) -> measure.Job:
    """Summarise purchases (``customer_id, ordered_on, amount``) known up to ``last_day``, in days."""

    def job() -> None:
        frame = pd.read_parquet(purchases)
        made = rfm_summary(frame, "customer_id", "ordered_on", "amount", observation_period_end=last_day)
        made.to_parquet(output, index=False)

    return job


if __name__ == "__main__":
    measure.run({"summary": summary})
