"""The round of production: a block comes in, and the engine takes what production takes, in its order."""

from reference_impl.rounds.production.blocks import Block, BlockRequest, Capacity, RoundDone
from reference_impl.rounds.production.rounds import ProductionRounds

__all__ = ["Block", "BlockRequest", "Capacity", "ProductionRounds", "RoundDone"]
