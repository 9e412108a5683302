"""What the engine needs for the least that could be asked of it: one pass over the orders, four aggregates."""

import duckdb
import measure


def totals(orders: str, output: str, memory_limit: str) -> measure.Job:
    """Write first and last day, number and sum of every customer's orders."""

    def job() -> None:
        con = duckdb.connect(config={"memory_limit": memory_limit})
        con.execute(
            f"""
            copy (
                select customer_id, min(ordered_on), max(ordered_on), count(*), sum(amount)
                from read_parquet('{orders}') group by customer_id
            ) to '{output}' (format parquet)
            """
        )

    return job


if __name__ == "__main__":
    measure.run({"totals": totals})
