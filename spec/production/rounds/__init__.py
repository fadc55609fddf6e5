"""The deterministic round of production, as a policy over labels: which of those that the rules allow is taken next."""

from spec.production.rounds.execution_round import execute_round, is_quiet
from spec.production.rounds.round_state import Batch, Ingress, Round, RoundState

__all__ = [
    "Batch",
    "Ingress",
    "Round",
    "RoundState",
    "execute_round",
    "is_quiet",
]
