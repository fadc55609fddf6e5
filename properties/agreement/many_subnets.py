"""
Several subnets on both sides: one state of the specification, and engines that share nothing but certificates.

After every round of a subnet both must have taken the same labels, hold the same streams, and be in the same state: the
engines' states and what is in their streams, put together, are the state of the specification. Ids are local to an
engine, so each has names for its messages and contexts.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import zip_longest
from random import Random
from typing import Any, Final

from attrs import evolve, field, frozen

from properties.agreement.difference import difference
from properties.agreement.lockstep import Disagreement, observation
from properties.agreement.rounds import SHOWN_BEFORE, account, block_of, told
from properties.agreement.subnet_worlds import SubnetBlocks, World, begun
from reference_impl.many_subnets.subnets import ManySubnets
from reference_impl.rounds.production.blocks import RoundDone
from reference_impl.rounds.production.letters import ANSWERS
from reference_impl.subnet.streams import AnswerLetter, CallLetter, Correspondence, Letter, Limit, RefundLetter
from reference_impl.subnet.subnet_instance import SubnetInstance
from reference_impl.trace.abstraction import abstract
from spec.canister.environment import Caller
from spec.certification.bls_signatures import verify_bls_signature
from spec.machine import canonical_label
from spec.production.capacities.usage import is_best_effort
from spec.production.network import network_round, slice_for, wire_form
from spec.production.rounds import Batch, Round
from spec.production.rounds.round_state import Posted, Sent, SentRefund
from spec.production.streams.certified import believed
from spec.production.streams.stream import RejectSignal, Slice
from spec.production.streams.wire import AnonymousRefund, StreamMessage
from spec.state.canister import Canister, Stopping
from spec.state.label import Label
from spec.state.message import Between, CallMessage, FuncMessage, Message, ResponseMessage
from spec.state.origin import CallOrigin, Deadline, Expired, FromCanister, NoDeadline
from spec.state.state import State
from spec.values.containers import List, Map, Queue
from spec.values.identifiers import MANAGEMENT_CANISTER, CallContextId, MessageId, SubnetId
from spec.values.quantities import Count
from spec.values.rejects import RejectCode, RejectReason, system_reject

EVENTS: Final = (
    "messages that were taken in",
    "calls that were not taken in",
    "calls with bounded wait that were taken in",
    "calls to the management canister that were taken in",
    "such calls with bounded wait",
    "such calls whose time was over",
    "makers that were told that nothing is known",
    "makers that were told of calls given up before",
    "calls given up by the subnet of the callee",
    "responses given up by the subnet of the callee",
    "given up for want of memory",
    "responses that came too late",
    "refunds that were taken in",
)
"""What happens between subnets, each of which has to be met."""


class Names:
    """What the messages and contexts of an engine are called in the whole."""

    def __init__(self) -> None:
        self.messages: dict[int, int] = {}
        self.contexts: dict[int, CallContextId] = {}


class ManyLockstep:
    """A network of the specification, and engines that have had the same blocks."""

    def __init__(self, world: World) -> None:
        self.network = world.specified
        self.subnets = ManySubnets(world.instances, world.bounds)
        self._names = {one: Names() for one in self.subnets.instances}
        self._posted: dict[tuple[SubnetId, SubnetId, Count], int] = {}
        """The messages in streams, by sender, receiver and index."""
        self._sent: dict[tuple[SubnetId, Count], FromCanister] = {}
        """The origins of all calls that went to other subnets, also of those that were answered, by their numbers."""
        self._signals: dict[tuple[SubnetId, SubnetId, Count], int] = {}
        """Those that signals of the first subnet on letters of the second one stand for."""
        self._untold: dict[tuple[SubnetId, Count], int] = {}
        """The answers to calls that were given up elsewhere, whose makers were not told, by the calls' numbers."""
        self._before = world.specified.state
        """Before the latest round."""
        self.reached: Counter[Limit] = Counter()
        self.fired: Counter[str] = Counter()
        self.crossed: Counter[str] = Counter()
        """How often each of `EVENTS` was met."""
        self.in_flight: Count = 0
        """The most messages that were in streams after a round."""
        self.rounds = 0

    @property
    def _most(self) -> Count:
        topology = next(iter(self.network.rounds.items()))[1].topology
        assert topology is not None
        return topology.limits.slice_messages

    def round(self, subnet_id: SubnetId, batch: Batch, only: Sequence[SubnetId] | None = None) -> Round:
        """A round of a subnet on both sides, with slices of all others or of some. Raises `Disagreement`."""
        senders = [one for one in self.subnets.instances if one != subnet_id and (only is None or one in only)]
        slices = {sender: slice_for(self.network, sender, subnet_id, self._most) for sender in senders}
        for sender, slice_ in slices.items():
            self._compare_slices(sender, subnet_id, slice_)
        instance = self.subnets.instances[subnet_id]
        first, first_local = self.network.state.messages.next_id, instance.messages.next_id
        self._before = self.network.state
        self.network, specified = network_round(self.network, subnet_id, evolve(batch, slices=Map.of(slices.items())))
        done = self.subnets.round(subnet_id, block_of(batch), senders)
        self.rounds += 1
        names = self._names[subnet_id].messages
        unheard = {made for one in specified.for_others for made in one.made}
        own = (one for one in range(first, self.network.state.messages.next_id) if one not in unheard)
        names.update(zip(range(first_local, instance.messages.next_id), own, strict=False))
        self._name_traffic(subnet_id, slices)
        self._name_bounded(subnet_id, specified)
        self.fired.update(label.rule for label in specified.labels)
        found = self._first_difference(subnet_id, specified, done)
        if found is None:
            for number, origin in _correspondence(instance).calls.items():
                self._sent.setdefault((subnet_id, number), self._origin_named(subnet_id, origin))
            found = self._states_differ()
        if found is not None:
            raise Disagreement(f"round {self.rounds}: {found}")
        return specified

    def _name_traffic(self, subnet_id: SubnetId, slices: dict[SubnetId, Slice[Posted]]) -> None:
        traffic, names = self.subnets.traffic(subnet_id), self._names[subnet_id].messages
        self.reached.update(traffic.reached)
        for sender, index, local in traffic.taken_in:
            slice_ = slices[sender]
            self.reached[Limit.SLICE] += slice_.end < slice_.header.end
            names[local] = _posted_id(slice_, index)
            self.crossed["messages that were taken in"] += 1
            message = self._before.messages[names[local]]
            is_bounded = isinstance(message, CallMessage) and is_best_effort(message.origin)
            is_management = isinstance(message, CallMessage) and message.callee == MANAGEMENT_CANISTER
            self.crossed["calls with bounded wait that were taken in"] += is_bounded
            self.crossed["calls to the management canister that were taken in"] += is_management
            self.crossed["such calls with bounded wait"] += is_management and is_bounded
        for by, index, local in traffic.answered_by_signal:
            names[local] = self._signals[by, subnet_id, index]
        for sender, index, call, local in traffic.not_taken_in:
            names[call] = _posted_id(slices[sender], index)
            self._signals[subnet_id, sender, index] = names[local]
            self.crossed["calls that were not taken in"] += 1
        for receiver, index, local in traffic.posted:
            self._posted[subnet_id, receiver, index] = names[local]

    def _name_bounded(self, subnet_id: SubnetId, specified: Round) -> None:
        """Both subnets of a call with bounded wait give it up, each on its own; in the whole it expires once."""
        traffic, names = self.subnets.traffic(subnet_id), self._names[subnet_id].messages
        if len(traffic.told) != len(specified.told):
            raise Disagreement(f"round {self.rounds}: {len(specified.told)} makers told, not {len(traffic.told)}")
        for (number, local), message_id in zip(traffic.told, specified.told, strict=True):
            names[local] = message_id
            self._expire(subnet_id, number)
            self.crossed["makers that were told of calls given up before"] += (
                self._untold.pop((subnet_id, number), None) is not None
            )
        made = {
            label.arguments()["message_id"]: one.made[0]
            for one in specified.for_others
            if (label := specified.labels[one.number]).rule == "call_expiry_of_message"
        }
        for local, maker, number in traffic.given_up:
            owner = self.subnets.instances[subnet_id].network.owner_of(maker)
            assert owner is not None
            self._expire(owner.subnet_id, number)
            given_up = MessageId(names[local])
            before = self._before.messages
            is_call = given_up in before and isinstance(before[given_up], CallMessage)
            self.crossed[f"{'calls' if is_call else 'responses'} given up by the subnet of the callee"] += 1
            if given_up in made:
                self._untold[owner.subnet_id, number] = made[given_up]
        self.crossed["makers that were told that nothing is known"] += len(traffic.told)
        self.crossed["such calls whose time was over"] += traffic.management_given_up
        self.crossed["given up for want of memory"] += traffic.shed
        self.crossed["responses that came too late"] += traffic.late
        self.crossed["refunds that were taken in"] += traffic.refunds

    def _expire(self, subnet_id: SubnetId, number: Count) -> None:
        origin = self._sent[subnet_id, number]
        if isinstance(origin.deadline, Deadline):
            self._sent[subnet_id, number] = evolve(origin, deadline=Expired(origin.deadline.time))

    # Labels

    def _first_difference(self, subnet_id: SubnetId, specified: Round, done: RoundDone) -> str | None:
        unheard = {one.number for one in specified.for_others}
        ours = [canonical_label(one) for number, one in enumerate(specified.labels) if number not in unheard]
        for number, (one, other) in enumerate(zip_longest(ours, done.labels)):
            named = None if other is None else self._named(subnet_id, other, one)
            if one != named:
                shown = "\n".join(f"  {told(label)}" for label in ours[max(number - SHOWN_BEFORE, 0) : number])
                return f"label {number}: {told(one)}, but the reference {told(named)}\nafter\n{shown}"
        outputs = tuple(map(observation, specified.outputs))
        observed = tuple(shown for step in done.steps for shown in step.observed.outputs)
        return difference(outputs, observed, "outputs") or difference(account(specified), account(done), "round")

    def _named(self, subnet_id: SubnetId, label: Label, expected: Label | None) -> Label:
        """A label of an engine in the names of the whole. A context gets the name that is expected when it begins."""
        choices, names = label.arguments(), self._names[subnet_id]
        if "message_id" in choices:
            choices["message_id"] = names.messages[choices["message_id"]]
        if "context_id" in choices:
            if label.rule.endswith("context_creation") and expected is not None:
                given = expected.arguments().get("context_id")
                names.contexts[choices["context_id"]] = CallContextId(-1) if given is None else given
            choices["context_id"] = names.contexts[choices["context_id"]]
        return canonical_label(Label(label.rule, choices))

    # Streams

    def _compare_slices(self, sender: SubnetId, receiver: SubnetId, slice_: Slice[Posted]) -> None:
        """What the engine certifies is what the specification has in the stream, and is believed."""
        instance = self.subnets.instances[receiver]
        shown = believed(
            self.subnets.slice(sender, receiver),
            sender=sender,
            receiver=receiver,
            first=slice_.first,
            root_subnet=next(iter(self.subnets.instances)),
            root_key=instance.root_key,
            verify=verify_bls_signature,
        )

        def as_shown(posted: Posted) -> StreamMessage:
            return wire_form(self.network.state, posted, sender=sender, receiver=receiver)

        header = evolve(
            slice_.header,
            reject_signals=tuple(RejectSignal(one.index, one.reason) for one in slice_.header.reject_signals),
        )
        expected = Slice(header, slice_.first, tuple(map(as_shown, slice_.messages)))
        found = None if shown is None else evolve(shown, messages=tuple(map(_unnumbered, shown.messages)))
        if expected != found:
            raise Disagreement(f"round {self.rounds + 1}, slice: {expected}, but the reference {found}")

    # The state of the whole

    def _states_differ(self) -> str | None:
        in_flight = self._letters()
        self.in_flight = max(self.in_flight, len(in_flight))
        carriers, found = self._carriers()
        if found is not None:
            return found
        kept = (one for one in self.network.state.messages.entries if one[0] not in carriers)
        state = self.network.state
        specified = evolve(state, messages=Queue(tuple(kept), state.messages.next_id))
        return difference(_ordered(specified), _ordered(self.abstract()), "whole")

    def _carriers(self) -> tuple[set[int], str | None]:
        """The messages whose cycles are on their way back as refunds, and how sums differ that wait for streams."""
        carriers: set[int] = set()
        for subnet_id, rounds in self.network.rounds.items():
            waiting: Counter[Any] = Counter()
            for recipient, message_ids in rounds.refunds.items():
                carriers |= {*message_ids}
                for one in message_ids:
                    message = self.network.state.messages[one]
                    assert isinstance(message, ResponseMessage)
                    waiting[recipient] += message.refunded_cycles
            known = _correspondence(self.subnets.instances[subnet_id]).refunds
            if waiting != known:
                return carriers, f"refunds that wait: {waiting}, but the reference {known}"
            for _, stream in rounds.streams.items():
                for posted in stream.messages:
                    carriers |= {*posted.carriers} if isinstance(posted, SentRefund) else set()
        return carriers, None

    def abstract(self) -> State:
        """The states of all engines, and what is in their streams, as one state."""
        canisters: dict[Any, Canister] = {}
        contexts: dict[Any, Any] = {}
        messages = self._letters()
        requests: dict[Any, Any] = {}
        deleted: list[Any] = []
        for subnet_id, instance in self.subnets.instances.items():
            own, names = abstract(instance), self._names[subnet_id]
            for canister_id, canister in own.canisters.items():
                canisters[canister_id] = self._canister(subnet_id, canister)
            for context_id, context in own.call_contexts.items():
                name = names.contexts[context_id]
                contexts[name] = evolve(context, origin=self._origin(subnet_id, context.origin))
            for message_id, message in own.messages.entries:
                assert not isinstance(message, FuncMessage), "rounds end between executions"
                messages[names.messages[message_id]] = evolve(message, origin=self._origin(subnet_id, message.origin))
            requests.update(own.requests.items())
            deleted += own.deleted_canisters.items
        return evolve(
            self.network.state,
            system_time=max(one.system_time for one in self.subnets.instances.values()),
            canisters=Map.of(canisters.items()),
            call_contexts=Map.of(contexts.items()),
            messages=Queue(tuple(messages.items()), self.network.state.messages.next_id),
            requests=Map.of(requests.items()),
            deleted_canisters=List(tuple(deleted)),
        )

    def _canister(self, subnet_id: SubnetId, canister: Canister) -> Canister:
        if not isinstance(canister.status, Stopping):
            return canister
        calls = canister.status.stop_calls.map(lambda one: evolve(one, origin=self._origin(subnet_id, one.origin)))
        return evolve(canister, status=Stopping(calls))

    def _origin(self, subnet_id: SubnetId, origin: CallOrigin) -> CallOrigin:
        """The origin of a call that an engine knows; of one from another subnet, what that subnet's engine knows."""
        if not isinstance(origin, FromCanister):
            return origin
        maker = self.subnets.instances[subnet_id].network.owner_of(origin.maker)
        assert maker is not None
        if maker.subnet_id == subnet_id:
            return self._origin_named(subnet_id, origin)
        return self._sent[maker.subnet_id, origin.calling_context]

    def _origin_named(self, subnet_id: SubnetId, origin: FromCanister) -> FromCanister:
        name = self._names[subnet_id].contexts[origin.calling_context]
        return evolve(origin, calling_context=name)

    def _letters(self) -> dict[int, Message]:
        """What is on its way between subnets, as messages of the whole."""
        found: dict[int, Message] = {}
        for sender, instance in self.subnets.instances.items():
            for receiver, outgoing in _correspondence(instance).outgoing.items():
                reverse = _correspondence(self.subnets.instances[receiver]).to(sender)
                for offset, letter in enumerate(outgoing.letters):
                    index = outgoing.begin + offset
                    if isinstance(letter, RefundLetter):
                        continue
                    if index in reverse.not_taken_in:
                        answer = self._signals[receiver, sender, index]
                        found[answer] = self._refusal(sender, letter, reverse.not_taken_in[index])
                    elif index >= reverse.signals_end:
                        found[self._posted[sender, receiver, index]] = self._message(sender, receiver, letter)
        reject = system_reject(RejectCode.SYS_UNKNOWN, RejectReason.CALL_TIMED_OUT)
        for call, message_id in self._untold.items():
            found[message_id] = ResponseMessage(evolve(self._sent[call], deadline=NoDeadline()), reject, 0)
        return found

    def _refusal(self, sender: SubnetId, letter: Letter, why: Any) -> ResponseMessage:
        assert isinstance(letter, CallLetter)
        return ResponseMessage(self._sent[sender, letter.number], system_reject(*ANSWERS[why]), letter.cycles)

    def _message(self, sender: SubnetId, receiver: SubnetId, letter: CallLetter | AnswerLetter) -> Message:
        if isinstance(letter, AnswerLetter):
            return ResponseMessage(self._sent[receiver, letter.number], letter.response, letter.refund)
        callee = MANAGEMENT_CANISTER if letter.receiver == receiver else letter.receiver
        return CallMessage(
            origin=self._sent[sender, letter.number],
            caller=Caller(letter.sender),
            callee=callee,
            method_name=letter.method_name,
            argument=letter.argument,
            transferred_cycles=letter.cycles,
            queue=Between(letter.sender, callee),
        )


def _correspondence(instance: SubnetInstance) -> Correspondence:
    assert instance.correspondence is not None
    return instance.correspondence


def _posted_id(slice_: Slice[Posted], index: Count) -> MessageId:
    posted = slice_.messages[index - slice_.first]
    assert isinstance(posted, Sent)
    return posted.message_id


def _unnumbered(message: StreamMessage) -> StreamMessage:
    """Without the number of the callback, which is the sender's own affair."""
    return message if isinstance(message, AnonymousRefund) else evolve(message, callback=0)


def _ordered(state: State) -> State:
    """
    Without what has no meaning in the whole: the order of what subnets did at the same time, the calling contexts of
    calls that nobody waits for, whose ids are others' by now, and whether a call has expired that was answered.
    """
    entries = sorted(((one, _settled(message)) for one, message in state.messages.entries), key=lambda one: one[0])
    contexts = {
        one: context if context.needs_to_respond else evolve(context, origin=_answered(context.origin))
        for one, context in state.call_contexts.items()
    }
    return evolve(
        state,
        call_contexts=Map.of((one, evolve(context, origin=_told(context.origin))) for one, context in contexts.items()),
        messages=Queue(tuple(entries), state.messages.next_id),
        deleted_canisters=List(tuple(sorted(state.deleted_canisters.items))),
    )


def _settled(message: Message) -> Message:
    return message if isinstance(message, FuncMessage) else evolve(message, origin=_told(message.origin))


def _told(origin: CallOrigin) -> CallOrigin:
    is_expired = isinstance(origin, FromCanister) and isinstance(origin.deadline, Expired)
    return _without_context(origin) if is_expired else origin


def _answered(origin: CallOrigin) -> CallOrigin:
    if isinstance(origin, FromCanister) and isinstance(origin.deadline, Deadline):
        origin = evolve(origin, deadline=Expired(origin.deadline.time))
    return _without_context(origin)


def _without_context(origin: CallOrigin) -> CallOrigin:
    return evolve(origin, calling_context=CallContextId(-1)) if isinstance(origin, FromCanister) else origin


@frozen
class StreamTally:
    """What rounds of many subnets came to."""

    rounds: Count = 0
    reached: Counter[Limit] = field(factory=Counter)
    fired: Counter[str] = field(factory=Counter)
    crossed: Counter[str] = field(factory=Counter)
    in_flight: Count = 0

    def with_world(self, world: ManyLockstep) -> "StreamTally":
        """The same, with the rounds of another world."""
        return StreamTally(
            self.rounds + world.rounds,
            self.reached + world.reached,
            self.fired + world.fired,
            self.crossed + world.crossed,
            max(self.in_flight, world.in_flight),
        )

    @property
    def unreached(self) -> list[str]:
        """The limits that were never reached, and the events that were never met."""
        limits = [limit.name for limit in Limit if not self.reached[limit]]
        return [*limits, *(event for event in EVENTS if not self.crossed[event])]

    def table(self) -> str:
        """How often each limit was reached, line by line."""
        lines = [f"{self.reached[limit]:8}  {limit.name.lower().replace('_', ' ')}" for limit in Limit]
        crossed = [f"{self.crossed[event]:8}  {event}" for event in EVENTS]
        heads = [
            f"{self.rounds:8}  rounds, {sum(self.fired.values())} labels",
            f"{self.in_flight:8}  in streams at most",
        ]
        return "\n".join([*heads, *crossed, *lines])


def play_subnets(
    seeds: Sequence[int], rounds: Count, shaken: Callable[[ManyLockstep], None] = lambda _: None
) -> StreamTally:
    """So many rounds of subnets in the world of each seed, in random order. Raises `Disagreement`."""
    tally = StreamTally()
    for seed in seeds:
        random = Random(seed)
        world = begun(random)
        lockstep, blocks = ManyLockstep(world), SubnetBlocks(random, world.everybody)
        shaken(lockstep)
        ids = list(lockstep.subnets.instances)
        try:
            for number in range(rounds):
                subnet_id = random.choice(ids)
                randomness = lockstep.subnets.randomness(subnet_id, number)
                subnet = lockstep.network.subnets[subnet_id]
                only = None if random.random() < 0.8 else [random.choice(ids)]
                lockstep.round(subnet_id, blocks.block(lockstep.network, subnet, randomness), only)
        except Disagreement as found:
            raise Disagreement(f"world {seed}, {found}") from None
        tally = tally.with_world(lockstep)
    return tally


__all__ = ["ManyLockstep", "StreamTally", "play_subnets"]
