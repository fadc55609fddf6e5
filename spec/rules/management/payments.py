"""What canisters pay for work of the management canister, and for the memory that it takes."""

from attrs import evolve

from spec.rules.management.settings import require_affordable
from spec.rules.resources import cycles_to_reserve, management_cost
from spec.state.canister import Canister
from spec.state.state import State
from spec.values.checklist import defines
from spec.values.identifiers import CanisterId
from spec.values.quantities import Cycles, Instructions


def cost_for(state: State, canister: Canister, instructions: Instructions) -> Cycles:
    """What a canister is charged for work about it."""
    return management_cost(state.profile, instructions, canister.subnet.subnet_size)


@defines("inv.cycles.reserved-limit")
def paid(state: State, canister_id: CanisterId, changed: Canister, used: Cycles) -> Canister:
    """
    The changed canister after it paid what was used and reserved cycles for the memory by which it grows.

    It states that the canister can afford this, and that it is not frozen afterwards.
    """
    reserved = cycles_to_reserve(state, canister_id, changed)
    after = evolve(
        changed,
        balance=changed.balance - used - reserved,
        reserved_balance=changed.reserved_balance + reserved,
    )
    require_affordable(state.profile, after, must_stay_liquid=True)
    return after
