"""What is known of a black box only later than it did it."""

from typing import Final

from attrs import frozen

from conformance.judging.moves import FEW_HEARTBEATS
from conformance.judging.words import Sayings
from spec.values.quantities import CanisterVersion, Count


@frozen
class Hindsight:
    """What answers told later than it was so."""

    versions: tuple[CanisterVersion, ...] = ()
    """Versions that canisters may have had earlier than they were told."""
    most_heartbeats: Count = FEW_HEARTBEATS
    """How often a heart may beat for each time that the system came to rest."""
    sayings: Sayings = Sayings()
    """What the system says where it rejects."""


NONE: Final = Hindsight()
