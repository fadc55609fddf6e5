"""Random worlds of three subnets whose canisters call each other: how they begin, and what comes in blocks."""

import hashlib
from collections.abc import Sequence
from random import Random
from typing import Any, Final

from attrs import evolve, frozen

from conformance.canisters import scripted as s
from conformance.canisters.expressions import Action
from conformance.canisters.library import load
from properties.agreement.blocks import Blocks
from properties.agreement.scarcity import INSTALLATION, Taste, roomy
from properties.agreement.stage import ALICE, Stage
from reference_impl.certification.signing import ROOT_KEY, ROOT_SECRET, signer_of
from reference_impl.subnet.network import APPLICATION, SYSTEM, HostedSubnet, Network, numbered_id, numbered_range
from reference_impl.subnet.streams import StreamBounds
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.production.capacities.usage import largest_response
from spec.production.network import Network as SpecifiedNetwork
from spec.production.network import network_of
from spec.production.rounds import Batch
from spec.production.streams.topology import StreamLimits, SubnetInTopology, Topology
from spec.profile import Profile
from spec.state.canister import Subnet
from spec.state.state import State
from spec.values import management
from spec.values.containers import List, Map, Queue
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, MethodName
from spec.values.quantities import ByteCount, Count

SIZES: Final[tuple[Count, ...]] = (4, 13, 7)
"""How many nodes the subnets have. The first one is the root subnet, and a system subnet."""
RANGE: Final[Count] = 16
"""How many canister ids each subnet has."""
CANISTERS: Final[Count] = 2
"""How many canisters each subnet has at the beginning."""
LARGEST: Final[ByteCount] = 1_200
"""How many bytes of a call may cross."""
MODULE: Final = load("scripted_tasks")

TASTE: Final = Taste(
    programs=0.92, bounded=0.45, to_management=0.2, spins=20, calls=200, outcalls=0, snapshots=0, creations=0, stops=3
)
"""Programs that call, and canisters that stop."""


@frozen
class World:
    """The beginning of both sides."""

    specified: SpecifiedNetwork
    instances: tuple[SubnetInstance, ...]
    bounds: StreamBounds
    everybody: tuple[CanisterId, ...]
    """Canisters of all subnets, and ids that each subnet has no canister with."""


def hosted_subnets() -> tuple[HostedSubnet, ...]:
    """The subnets, each with a key and ids of its own."""
    secrets = [ROOT_SECRET, *(hashlib.sha256(b"the secret of subnet %d" % one).digest() for one in (1, 2))]
    return tuple(
        HostedSubnet(
            subnet=Subnet(signer_of(secret).subnet_id, size),
            public_key=signer_of(secret).public_key,
            secret=secret,
            kind=APPLICATION if number else SYSTEM,
            ranges=(numbered_range(number * RANGE, number * RANGE + RANGE - 1),),
            first_node=100 * number,
        )
        for number, (secret, size) in enumerate(zip(secrets, SIZES, strict=True))
    )


def profile(random: Random) -> Profile:
    """The small world, with little memory for messages in some."""
    world = roomy()
    world = evolve(world, limits=evolve(world.limits, inter_canister_payload=LARGEST))
    response = largest_response(world.limits)
    capacities = evolve(
        world.capacities,
        guaranteed_message_memory=random.choice((2, 30, 100, 100)) * world.rounds.threads * response,
        request_lifetime=random.choice((3, 30, 30)),
        best_effort_message_memory=random.choice((500, 2_000, 1_000_000)),
    )
    rounds = evolve(
        world.rounds,
        stop_timeout=random.choice((1, 10)),
        checkpoint_interval=random.choice((5, 60)),
        # Reason: where little is executed in a round, calls wait at their callees until their time is over.
        round_instructions=INSTALLATION + random.choice((1_000_000, 40_000)),
        # Reason: one chunk takes all instructions for management in a round, so that calls wait for later rounds.
        management_share=random.choice((world.rounds.management_share, 10_000)),
    )
    return evolve(world, name="little room in streams", capacities=capacities, rounds=rounds)


def limits(random: Random) -> StreamLimits:
    """Streams that are full soon."""
    return StreamLimits(
        messages=random.choice((2, 5, 10_000)),
        messages_to_system_subnet=random.choice((1, 2, 200)),
        bytes=random.choice((1_000, 4_000, 10 * 2**20)),
        slice_messages=random.choice((1, 2, 10_000)),
    )


def begun(random: Random) -> World:
    """Three subnets with canisters that Alice and all canisters control; nothing is under way."""
    bounds, world_profile = limits(random), profile(random)
    hosted = hosted_subnets()
    topology = Topology(
        Map.of((one.subnet_id, SubnetInTopology(one.ranges, one.kind == SYSTEM)) for one in hosted), bounds
    )
    stages = [stage_of(world_profile, one, number) for number, one in enumerate(hosted)]
    network = Network(hosted, ROOT_KEY, ROOT_SECRET)
    instances = tuple(stage.lockstep.engine.instance for stage in stages)
    for instance in instances:
        instance.network = network
    everybody = [numbered_id(number * RANGE + one) for number in range(len(hosted)) for one in range(CANISTERS + 1)]
    return World(
        specified=network_of(whole([stage.state for stage in stages]), tuple(one.subnet for one in hosted), topology),
        instances=instances,
        bounds=StreamBounds(bounds.messages, bounds.messages_to_system_subnet, bounds.bytes, bounds.slice_messages),
        everybody=tuple(everybody),
    )


def stage_of(world_profile: Profile, hosted: HostedSubnet, number: Count) -> Stage:
    """A subnet with its canisters."""
    stage = Stage(world_profile, subnet=hosted.subnet)
    ids = [numbered_id(number * RANGE + one) for one in range(CANISTERS)]
    for canister_id in ids:
        stage.installed(MODULE, specified_id=canister_id)
    callers = [numbered_id(one * RANGE + place) for one in range(len(SIZES)) for place in range(CANISTERS)]
    for canister_id in ids:
        settings = management.SettingsArguments(
            controllers=List(tuple(sorted((ALICE, *callers)))),
            freezing_threshold=0,
            minimum_incoming_canister_call_cycles=0,
        )
        stage.manage("update_settings", management.UpdateSettingsArguments(canister_id, settings))
    return stage


def whole(states: Sequence[State]) -> State:
    """One state of all subnets, in which nothing is under way."""
    return evolve(
        states[0],
        canisters=Map.of(one for state in states for one in state.canisters.items()),
        requests=Map.of(one for state in states for one in state.requests.items()),
        messages=Queue((), max(state.messages.next_id for state in states)),
    )


class SubnetBlocks(Blocks):
    """Draws blocks for the subnets of a world, whose canisters call each other."""

    def __init__(self, random: Random, everybody: tuple[CanisterId, ...]) -> None:
        super().__init__(random, TASTE)
        self._everybody = everybody

    def block(self, network: SpecifiedNetwork, subnet: Subnet, randomness: Blob) -> Batch:
        """The next block of a subnet, with requests to its own canisters."""
        own = [
            (one, canister)
            for one, canister in network.state.canisters.items()
            if canister.subnet.subnet_id == subnet.subnet_id
        ]
        if not own:
            return Batch(time=network.state.system_time + 10**9, randomness=randomness)
        self._focus = self._random.choice([one for one, _ in own])
        seen = evolve(network.state, canisters=Map.of(own))
        batch, more = self.next(seen), self.next(seen)
        ids = {one for one, _ in own}
        requests = tuple(
            one
            for one in (*batch.ingress, *more.ingress)
            if one.effective_id in ids and one.request.method_name != "missing"
        )
        return evolve(batch, ingress=requests, answers=(), subnet_admins=None, randomness=randomness)

    def _program(self, ids: Sequence[CanisterId], depth: int) -> Blob:
        return super()._program(self._everybody, depth)

    def _calls(self, ids: Sequence[CanisterId], depth: int) -> Action:
        if self._random.random() < 0.05:
            return self._large_call()
        return super()._calls(ids, depth)

    def _large_call(self) -> Action:
        """A call with more bytes than may cross."""
        argument = s.program(s.reply(b"large")) + s.program(s.ignore(s.length(bytes(LARGEST))))
        return s.call(self._random.choice(self._everybody), "update", argument, on_reply=b"", if_refused=s.NOTHING)

    def _call_to_management(self, ids: Sequence[CanisterId]) -> tuple[CanisterId, MethodName, Blob]:
        about = self._random.choice(self._everybody)
        only: Any = management.CanisterIdArguments(about)
        method, arguments = self._random.choice(
            (
                ("raw_rand", management.RawRandArguments()),
                ("canister_status", only),
                ("deposit_cycles", only),
                ("start_canister", only),
                ("start_canister", only),
                ("stop_canister", only),
                *[("upload_chunk", management.UploadChunkArguments(about, self._random.randbytes(8)))] * 3,
                ("update_settings", management.UpdateSettingsArguments(about, self._settings(ids))),
            )
        )
        return MANAGEMENT_CANISTER, method, management.encode_arguments(arguments)
