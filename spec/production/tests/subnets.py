"""Several subnets with canisters of a few lines, which tests play round by round."""

from collections import Counter

from attrs import evolve, frozen

from spec.machine import run
from spec.production.network import Network, network_of, network_round, seen_from, slice_for, stream_between
from spec.production.rounds import Batch
from spec.production.rounds.tests.playing import doing
from spec.production.streams.topology import StreamLimits, SubnetInTopology, Topology
from spec.rules.tests.worlds import PROFILE, SUBNET, performed, returns, world
from spec.state.canister import Subnet
from spec.state.message import ResponseMessage
from spec.state.network import CanisterRange
from spec.values.containers import List, Map
from spec.values.identifiers import Principal
from spec.values.rejects import Reply

SECOND = 10**9
OTHER = Subnet(Principal(b"other"), 34)
THIRD = Subnet(Principal(b"third"), 4)
SUBNETS = (SUBNET, OTHER, THIRD)


def numbered(number):
    """A canister id. Each subnet has eight of them."""
    return Principal(number.to_bytes(8, "big") + b"\x01\x01")


HERE = [numbered(number) for number in range(4)]
THERE = [numbered(8 + number) for number in range(4)]
BEYOND = numbered(16)
NOWHERE = numbered(99)


def home(canister_id):
    """The subnet that a canister is on."""
    return SUBNETS[int.from_bytes(canister_id[:8], "big") // 8]


@frozen
class Played:
    """Subnets after some rounds."""

    network: Network

    def round(self, subnet, *ingress, takes=10_000, senders=SUBNETS, seconds=1, **batch):
        """After a round of a subnet, with what the others have for it; its labels lead to the same state."""
        before = self.network.state.system_time
        slices = {
            one.subnet_id: slice_for(self.network, one.subnet_id, subnet.subnet_id, takes)
            for one in senders
            if one != subnet
        }
        given = Batch(before + seconds * SECOND, ingress, slices=Map.of(slices.items()), **batch)
        network, done = network_round(self.network, subnet.subnet_id, given)
        replayed = run(seen_from(self.network, subnet.subnet_id), done.labels)
        assert (replayed.stopped, replayed.state) == (None, network.state)
        return Played(network)

    def stream(self, sender=SUBNET, receiver=OTHER):
        return stream_between(self.network, sender.subnet_id, receiver.subnet_id)

    def sent(self, sender=SUBNET, receiver=OTHER):
        """Who calls whom in a stream."""
        messages = [self.network.state.messages[one.message_id] for one in self.stream(sender, receiver).messages]
        return [(message.origin.maker, message.origin.callee) for message in messages]

    def places(self, subnet=SUBNET):
        """How many messages are where for a subnet."""
        return Counter(waiting.place for _, waiting in self.network.rounds[subnet.subnet_id].waiting.items())

    def response(self, maker):
        """The response that a canister waits for."""
        (found,) = [
            message
            for message in self.network.state.messages
            if isinstance(message, ResponseMessage) and message.origin.maker == maker
        ]
        return found.response


def subnets(*canisters, limits=None, system=(), profile=PROFILE):
    """Subnets with these canisters, each on that which its id belongs to."""
    topology = Topology(
        Map.of(
            (
                subnet.subnet_id,
                SubnetInTopology((CanisterRange(numbered(8 * place), numbered(8 * place + 7)),), subnet in system),
            )
            for place, subnet in enumerate(SUBNETS)
        ),
        limits or StreamLimits(),
    )
    placed = [(one, evolve(canister, subnet=home(one))) for one, canister in canisters]
    state = evolve(world(*placed), profile=profile)
    return Played(network_of(state, SUBNETS, topology))


def calling(canister_id, *callees, **changes):
    """A canister that calls others when it is asked, and replies when it is answered."""
    calls = List(tuple(evolve(performed(one), number=place, **changes) for place, one in enumerate(callees)))
    return doing(canister_id, go=returns(new_calls=calls), callback=returns(response=Reply(b"done")))


def answering(canister_id, **settings):
    """A canister that replies."""
    return doing(canister_id, go=returns(response=Reply(b"hello")), settings=settings)
