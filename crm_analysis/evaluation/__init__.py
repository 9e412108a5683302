"""Evaluation of the quarter (REQUIREMENTS E): KPIs from the engine, the scorecard against targets, the summary."""
