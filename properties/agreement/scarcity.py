"""
Worlds in which there is little of some things: each has a taste, and figures drawn anew beside it.

So capacities are reached, and what lies behind them as well.
"""

from collections.abc import Mapping
from functools import cache
from random import Random
from typing import Final, TypeVar

from attrs import evolve, frozen

from conformance.canisters.library import load
from properties.agreement.stage import ALICE, Stage
from spec.production.capacities.usage import largest_response, memory_taken
from spec.profile import Capacities, Limits, Profile, Rounds, load_profile
from spec.values import management
from spec.values.containers import List
from spec.values.quantities import WASM_PAGE, Count

INSTALLATION: Final = 15_000_000
"""A slice of an installation; the scripted canister takes three."""


@frozen
class Taste:
    """What a world has more of than others: weights of what is asked for, against one each of everything else."""

    programs: float = 0.6
    """The share of requests that run programs."""
    answers: float = 0.3
    """The share of outcalls that are answered in a round."""
    bounded: float = 0.5
    """The share of calls that wait with bound."""
    to_management: float = 0.3
    """The share of calls to the management canister."""
    spins: int = 2
    calls: int = 10
    outcalls: int = 2
    growths: int = 2
    burns: int = 1
    installations: int = 3
    snapshots: int = 2
    creations: int = 1
    settings: int = 2
    stops: int = 1
    chunks: int = 1
    responses: tuple[Count, ...] = (1, 2, 5, 100)
    """For how many responses each core may have room at first."""
    figures: Mapping[str, int] = {}
    """Figures of the profile that these worlds have in any case."""


TASTES: Final[Mapping[str, Taste]] = {
    "messages": Taste(
        programs=0.9,
        bounded=0.2,
        to_management=0.1,
        calls=40,
        responses=(1, 1, 2),
        figures={"open_calls": 20, "callbacks": 1_000, "threads": 2, "round_instructions": INSTALLATION + 1_000_000},
    ),
    "slices": Taste(
        programs=0.95,
        spins=30,
        figures={"threads": 2, "round_instructions": INSTALLATION + 50_000, "checkpoint_interval": 7},
    ),
    "outcalls": Taste(
        programs=0.7,
        answers=0.05,
        calls=10,
        outcalls=40,
        stops=12,
        figures={"open_calls": 2, "round_instructions": INSTALLATION + 1_000_000},
    ),
    "memory": Taste(
        programs=0.75,
        calls=10,
        outcalls=10,
        growths=15,
        snapshots=6,
        figures={"heap_delta_capacity": 2**18, "heap_delta_reserve": 2**17, "checkpoint_interval": 60},
    ),
    "installations": Taste(
        programs=0.2,
        installations=12,
        snapshots=4,
        chunks=8,
        figures={"management_share": 1, "heap_delta_of_canister": 60_000, "subnet_memory": 2**32},
    ),
    "cycles": Taste(programs=0.6, burns=4, creations=8, settings=6),
}
"""By name; worlds have one after another."""

Table = TypeVar("Table", Limits, Rounds, Capacities)

MODULES: Final = tuple(map(load, ("scripted_tasks", "scripted_tasks", "scripted", "scripted_low_memory")))
CHANGES: Final[Count] = 17
"""So many more changes does the history of the first canister tell at the beginning; 20 are kept."""


def roomy() -> Profile:
    """The small world with figures of rounds for modules of the size of the scripted canister."""
    world = load_profile("small-world")
    limits = evolve(
        world.limits,
        message_instructions=400_000,
        query_instructions=300_000,
        upload_chunk_instructions=4_000_000,
        snapshot_instructions=1_000_000,
        inter_canister_payload=4096,
    )
    rounds = evolve(
        world.rounds,
        round_instructions=INSTALLATION + 1_000_000,
        install_slice_instructions=INSTALLATION,
        slice_instructions=100_000,
    )
    return evolve(world, limits=limits, rounds=rounds)


@cache
def taken_at_first() -> int:
    """What the canisters of a world take before its first round."""
    return memory_taken(begun(roomy()).state)


def begun(profile: Profile) -> Stage:
    """A world with canisters that Alice controls, and that control each other; nothing is under way."""
    stage = Stage(profile)
    ids = [stage.installed(module) for module in MODULES]
    controllers = List(tuple(sorted((ALICE, *ids))))
    for number, canister_id in enumerate(ids):
        settings = management.SettingsArguments(
            controllers=controllers,
            compute_allocation=number,
            freezing_threshold=0,
            minimum_incoming_canister_call_cycles=0,
        )
        stage.manage("update_settings", management.UpdateSettingsArguments(canister_id, settings))
    for _ in range(CHANGES):
        same = management.SettingsArguments(controllers=controllers)
        stage.manage("update_settings", management.UpdateSettingsArguments(ids[0], same))
    return stage


def profile(random: Random, taste: Taste) -> Profile:
    """A world in which there is little of some things."""
    world = roomy()
    response = largest_response(world.limits)
    cores = taste.figures.get("threads", random.choice((2, 2, 3)))
    pages = random.choice((0, 0, 2, 8, 100, 1_000)) * cores
    for_callbacks = random.choice((0, 2, 4)) * cores * WASM_PAGE
    limits = evolve(
        world.limits,
        open_calls=random.choice((2, 20, 20)),
        subnet_memory=taken_at_first() + for_callbacks + pages * WASM_PAGE,
        subnet_memory_threshold=random.choice((0, 2**31)) if pages < 1_000 else taken_at_first() + 2**20,
    )
    if limits.subnet_memory_threshold > limits.subnet_memory:
        limits = evolve(limits, subnet_memory_threshold=limits.subnet_memory)
    rounds = evolve(
        world.rounds,
        threads=cores,
        heap_delta_in_iteration=random.choice((8_192, 40_000, 2**20)),
        heap_delta_of_canister=random.choice((60_000, 131_072, 2**21)),
        heap_delta_capacity=random.choice((2**20, 2**21, 2**23)),
        heap_delta_reserve=random.choice((2**19, 2**20)),
        install_instructions_of_canister=random.choice((10**7, 10**7, 10**8)),
        checkpoint_interval=random.choice((5, 12, 60)),
        priority_reset=random.choice((20, 1_000)),
        priority_ceiling=random.choice((100, 500)),
        priority_floor=random.choice((100, 2_000)),
        round_instructions=INSTALLATION + random.choice((50_000, 200_000, 1_000_000)),
        finalization_overhead=random.choice((10, 1_000)),
        management_share=random.choice((1, 2)),
        stop_timeout=random.choice((1, 10)),
    )
    capacities = evolve(
        world.capacities,
        memory_for_callbacks=for_callbacks,
        custom_sections_memory=random.choice((40 * cores, 2**20)),
        guaranteed_message_memory=random.choice(taste.responses) * cores * response,
        best_effort_message_memory=random.choice((200, 1_000, 2**20)),
        callbacks=random.choice((2, 1_000, 1_000)),
        callbacks_of_canister=random.choice((0, 1, 3)),
        request_lifetime=random.choice((0, 3, 30)),
        ingress_history=random.choice((60, 1_000, 1_000)),
        canisters=random.choice((5, 5, 1_000)),
        compute=random.choice((50, 99)),
        outcalls=random.choice((1, 1, 10)),
    )
    return evolve(
        world,
        name="little of everything",
        limits=with_figures(limits, taste),
        rounds=with_figures(rounds, taste),
        capacities=with_figures(capacities, taste),
    )


def with_figures(table: Table, taste: Taste) -> Table:
    """A table of a profile with those figures of a taste that are in it."""
    return evolve(table, **{name: number for name, number in taste.figures.items() if hasattr(table, name)})
