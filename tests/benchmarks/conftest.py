"""Benchmarks are scripts: pytest leaves them alone, also when it looks for doctests."""

collect_ignore_glob = ["*.py", "contestants/*.py"]
