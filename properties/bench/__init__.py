"""Measurements of the two engines, as ratios taken in one run. Run with `python -m properties.bench`."""
