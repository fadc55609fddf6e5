"""Runs of a function, one for each of its paths."""
