"""Policies: which of the labels that the rules allow is taken next."""

from spec.rounds.execution_round import execute_round, is_quiet
from spec.rounds.round_state import Batch, Ingress, Round, RoundState
from spec.rounds.settling import FOLLOWING, ORDER, next_label, settled, steps

__all__ = [
    "FOLLOWING",
    "ORDER",
    "Batch",
    "Ingress",
    "Round",
    "RoundState",
    "execute_round",
    "is_quiet",
    "next_label",
    "settled",
    "steps",
]
