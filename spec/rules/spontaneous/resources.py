"""Resources are paid for over time, and a canister that cannot pay loses its code."""

from attrs import evolve

from spec.rules.conditions import existing_canister
from spec.rules.management.deletion import deleted_context, rejects_of_contexts
from spec.state.canister import Canister, Empty
from spec.state.history import CanisterHistory
from spec.state.state import State
from spec.transition import Burned, BurnReason, Step, require, transition
from spec.values.checklist import defines
from spec.values.containers import List, Map
from spec.values.identifiers import CanisterId, Principal, SubnetId
from spec.values.quantities import CanisterVersion, Cycles

SECTION = "abstract-behavior#time-progressing-cycle-consumption-canister-version-increments-and-subnet-admins-updates"


@transition(title="Resource payment: reserved balance", source=SECTION)
@defines("rule.resource-payment.reserved-balance", "unspec.spont.resource-payments")
def payment_from_reserved_balance(state: State, *, canister_id: CanisterId, balance: Cycles) -> Step:
    """What a canister pays for its resources comes from its reserved balance as long as there is one."""
    # CONDITIONS
    canister = existing_canister(state, canister_id)
    require(balance >= 0, "the new balance is not negative")
    require(balance < canister.reserved_balance, "the reserved balance gets smaller")

    # STATE AFTER
    return Step(
        evolve(state, canisters=state.canisters.set(canister_id, evolve(canister, reserved_balance=balance))),
        burned=(Burned(canister.reserved_balance - balance, BurnReason.RESOURCES),),
    )


@transition(title="Resource payment: main balance", source=SECTION)
@defines("rule.resource-payment.main-balance", "unspec.spont.resource-payments")
def payment_from_main_balance(state: State, *, canister_id: CanisterId, balance: Cycles) -> Step:
    """A canister without reserved cycles pays for its resources from its balance."""
    # CONDITIONS
    canister = existing_canister(state, canister_id)
    require(canister.reserved_balance == 0, "there are no reserved cycles")
    require(balance >= 0, "the new balance is not negative")
    require(balance < canister.balance, "the balance gets smaller")

    # STATE AFTER
    return Step(
        evolve(state, canisters=state.canisters.set(canister_id, evolve(canister, balance=balance))),
        burned=(Burned(canister.balance - balance, BurnReason.RESOURCES),),
    )


@transition(title="Canister out of cycles", source="abstract-behavior#canister-out-of-cycles")
@defines("unspec.spont.out-of-cycles")
def canister_out_of_cycles(state: State, *, canister_id: CanisterId) -> Step:
    """A canister without any cycles loses its code, its allocations and its recorded changes."""
    # CONDITIONS
    canister = existing_canister(state, canister_id)
    require(canister.balance == 0, "the balance is zero")
    require(canister.reserved_balance == 0, "there are no reserved cycles")

    # STATE AFTER
    return Step(
        evolve(
            state,
            canisters=state.canisters.set(canister_id, deallocated(canister)),
            messages=state.messages.extend(rejects_of_contexts(state, canister_id)),
            call_contexts=state.call_contexts.change_where(
                lambda _, context: context.canister == canister_id, deleted_context
            ),
        )
    )


@defines("inv.deallocated-canister-kept", "unspec.env.after-ten-years")
def deallocated(canister: Canister) -> Canister:
    """What is left of a canister that ran out of cycles. How many changes it had is still known."""
    return evolve(
        canister,
        code=Empty(),
        installed_at=None,
        certified_data=b"",
        history=CanisterHistory(canister.history.total_changes, List()),
        logs=List(),
        version=canister.version + 1,
        global_timer=0,
        snapshots=Map(),
        settings=evolve(canister.settings, compute_allocation=0, memory_allocation=0),
    )


@transition(title="Canister version increments", source=SECTION)
@defines("rule.version-increment", "unspec.spont.version")
def canister_version_increment(state: State, *, canister_id: CanisterId, version: CanisterVersion) -> Step:
    """The version of a canister may rise at any time, by any amount."""
    # CONDITIONS
    canister = existing_canister(state, canister_id)
    require(version > canister.version, "the version is higher than before")

    # STATE AFTER
    return Step(evolve(state, canisters=state.canisters.set(canister_id, evolve(canister, version=version))))


@transition(title="Subnet admins change", source=SECTION)
@defines("rule.subnet-admins-change", "unspec.spont.subnet-admins")
def subnet_admins_change(state: State, *, subnet_id: SubnetId, admins: List[Principal]) -> Step:
    """The admins of a subnet may be changed at any time, from outside."""
    # CONDITIONS
    require(admins_of(state, subnet_id) != admins, "the admins are others than before")
    without = state.subnet_admins.remove(subnet_id) if subnet_id in state.subnet_admins else state.subnet_admins

    # STATE AFTER
    return Step(evolve(state, subnet_admins=without if admins.is_empty() else without.set(subnet_id, admins)))


def admins_of(state: State, subnet_id: SubnetId) -> List[Principal]:
    """The admins of a subnet."""
    return state.subnet_admins[subnet_id] if subnet_id in state.subnet_admins else List()
