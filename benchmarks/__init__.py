"""Ratios measured side by side in one run. Run all with ``make bench``, one with ``python -m benchmarks NAME``."""
