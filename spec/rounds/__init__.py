"""Policies: which of the labels that the rules allow is taken next."""

from spec.rounds.settling import FOLLOWING, ORDER, next_label, settled, steps

__all__ = ["FOLLOWING", "ORDER", "next_label", "settled", "steps"]
