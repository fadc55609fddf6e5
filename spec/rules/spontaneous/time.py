"""Time passes."""

from attrs import evolve

from spec.rules.conditions import existing_canister
from spec.state.state import State
from spec.transition import Step, require, transition
from spec.values.checklist import defines
from spec.values.identifiers import CanisterId
from spec.values.quantities import Nanoseconds


@transition(
    title="Time progressing: canister time",
    source="abstract-behavior#time-progressing-cycle-consumption-canister-version-increments-and-subnet-admins-updates",
)
@defines("rule.time-progress.canister", "unspec.spont.canister-time")
def canister_time_progress(state: State, *, canister_id: CanisterId, time: Nanoseconds) -> Step:
    """The clock of a canister moves forward, by any amount."""
    # CONDITIONS
    canister = existing_canister(state, canister_id)
    require(time > canister.time, "the time is later than before")

    # STATE AFTER
    return Step(evolve(state, canisters=state.canisters.set(canister_id, evolve(canister, time=time))))


@transition(
    title="Time progressing: system time",
    source="abstract-behavior#time-progressing-cycle-consumption-canister-version-increments-and-subnet-admins-updates",
)
@defines("rule.time-progress.system", "unspec.spont.system-time")
def system_time_progress(state: State, *, time: Nanoseconds) -> Step:
    """The clock of the system moves forward, by any amount."""
    # CONDITIONS
    require(time > state.system_time, "the time is later than before")

    # STATE AFTER
    return Step(evolve(state, system_time=time))
