"""Churn warning (REQUIREMENTS C): definition, labels at past origins, backtested model, scores and the warning list."""
