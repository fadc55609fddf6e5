"""What production says to users where its words tell more than the error. No verdict depends on it."""

from spec.fees import less
from spec.profile import Profile
from spec.rules.resources import freezing_limit
from spec.state.canister import Canister
from spec.values.identifiers import CanisterId, Principal, Text, principal_to_text
from spec.values.quantities import Cycles


def missing_cycles(profile: Profile, canister: Canister, requested: Cycles) -> Cycles:
    """What a canister has too few to pay an amount without being frozen."""
    needed = less(freezing_limit(profile, canister), canister.reserved_balance) + requested
    return less(needed, canister.balance)


def out_of_cycles(
    profile: Profile, canister_id: CanisterId, canister: Canister, requested: Cycles, reader: Principal
) -> Text:
    """
    The message of `CanisterOutOfCycles` for an amount; only a controller is told how much is missing.

    Source: rs/interfaces/src/execution_environment/errors.rs, `CanisterOutOfCyclesError`.
    """
    text = f"Canister {principal_to_text(canister_id)} is out of cycles"
    if not canister.settings.controllers.contains(reader):
        return text
    missing = missing_cycles(profile, canister, requested)
    return f"{text}: please top up the canister with at least {missing:_} additional cycles"
