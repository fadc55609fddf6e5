"""
Profiles of subnets on which nothing is charged: those with the free cost schedule, and system subnets.

Source: facts on fees, kinds of subnets; facts on limits, figures of system subnets.
"""

from typing import Final

from attrs import evolve, fields

from spec.profile import Capacities, Fees, Profile

NO_PRICES: Final = frozenset(("reference_subnet_size", "storage_reservation_period"))
"""What is no price among the fees."""

NO_BOUND: Final = 2**63
"""More than can ever be used."""


def on_free_schedule(profile: Profile) -> Profile:
    """
    The profile of a subnet on which every price is 0.

    Cycles that are attached, burned on request or lost with a canister leave balances as on any subnet.
    """
    prices = {one.name: 0 for one in fields(Fees) if one.name not in NO_PRICES}
    return evolve(profile, fees=evolve(profile.fees, **prices))


def of_system_subnet(profile: Profile) -> Profile:
    """
    The profile of a system subnet, for its own canisters: nothing is charged, and executions have larger limits.

    Messages, installations and changes of memory are not bounded.
    """
    free = on_free_schedule(profile)
    return evolve(
        free,
        limits=evolve(
            free.limits,
            message_instructions=50_000_000_000,
            query_instructions=50_000_000_000,
            query_call_graph_instructions=50_000_000_000,
            install_code_instructions=1_000_000_000_000,
            upload_chunk_instructions=0,
            snapshot_instructions=0,
            snapshot_data_instructions=0,
        ),
        rounds=evolve(
            free.rounds,
            round_instructions=7_000_000_000,
            install_slice_instructions=5_000_000_000,
            execution_overhead=0,
            canister_overhead=0,
            finalization_overhead=0,
            heap_delta_in_iteration=2_000_000_000,
            heap_delta_reserve=150_323_855_360,
            heap_delta_of_canister=1_000_000_000_000_000,
            install_instructions_of_canister=1_000_000_000_000_000,
        ),
        capacities=without_bounds_on_messages(free.capacities),
    )


def without_bounds_on_messages(capacities: Capacities) -> Capacities:
    """Messages may take as much memory as they need."""
    return evolve(capacities, guaranteed_message_memory=NO_BOUND, best_effort_message_memory=NO_BOUND)
