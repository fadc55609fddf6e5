"""
Specification and reference implementation, label by label.

Both take the same labels. After each one they must agree on whether it was enabled, on the state, on what was shown
(status changes, executions with their instruction counts) and on the cycles that came and went.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import cycle
from typing import Any, Self

from attrs import evolve

from properties.agreement.difference import difference
from properties.agreement.kept import stale
from reference_impl.engine import Engine
from reference_impl.reads.query_certificates import certificate_for
from reference_impl.subnet.observations import ClaimedStep, ExecutionShown, NotTaken, Observation, StatusChange
from spec.certification.bls_signatures import verify_bls_signature
from spec.certification.certificate import decode_certificate, lookup, verify_certificate
from spec.certification.hash_tree import Found, is_well_formed
from spec.machine import OUTSIDE, SPONTANEOUS, candidates, free_variables, initial_state, step, submission_label
from spec.profile import Profile, load_profile
from spec.state.canister import Canister, Subnet
from spec.state.label import Label
from spec.state.message import FuncMessage
from spec.state.request import Endpoint, Request
from spec.state.state import State
from spec.transition import (
    RULES,
    Burned,
    BurnReason,
    Executed,
    Minted,
    NotEnabled,
    Output,
    RequestStatusChanged,
    Step,
    Unspecified,
)
from spec.values.containers import Map
from spec.values.identifiers import (
    MANAGEMENT_CANISTER,
    Blob,
    CanisterId,
    MessageId,
    MethodName,
    Principal,
    RequestId,
    Text,
)
from spec.values.leb128 import encode_unsigned
from spec.values.management import InstallChunkedCodeArguments, decode_arguments
from spec.values.quantities import NANOSECONDS_PER_SECOND, Cycles, Nanoseconds

START: Nanoseconds = 1_700_000_000 * NANOSECONDS_PER_SECOND
SUBNET = Subnet(Principal(b"\x00" * 9 + b"\x01"), 13)


SYSTEM_TASKS = frozenset({"heartbeat_context_creation", "global_timer_context_creation"})


SETTLING = [name for name in RULES if name not in OUTSIDE | SPONTANEOUS | SYSTEM_TASKS]
"""Rules that something waits for."""
ABOUT_MESSAGES = [
    name for name, rule in RULES.items() if "message_id" in free_variables(rule.body) and name not in SPONTANEOUS
]
"""Rules that something waits for and that name a message."""


def enabled_of(state: State, rules: Iterable[Text]) -> Iterator[Label]:
    """The enabled labels of some rules, in the order in which `enabled` lists them."""
    for name in rules:
        for label in candidates(state, RULES[name]):
            if isinstance(step(state, label), Step):
                yield label


def enabled_about(state: State, message_id: MessageId, rules: Iterable[Text] = ABOUT_MESSAGES) -> list[Label]:
    """The enabled labels that name this message."""
    labels = (label for name in rules for label in candidates(state, RULES[name], {"message_id": message_id}))
    return [label for label in labels if isinstance(step(state, label), Step)]


class Disagreement(AssertionError):
    """Specification and reference implementation differ; the message says where, and gives the schedule."""


class Lockstep:
    """A specification state and an engine that have taken the same labels."""

    def __init__(
        self,
        profile: Profile | None = None,
        subnet: Subnet = SUBNET,
        canisters: Mapping[CanisterId, Canister] | None = None,
        root_key: Blob = b"",
    ) -> None:
        """`canisters` are there at the beginning; they may live on other subnets. `root_key` is DER-encoded."""
        beginning = initial_state(profile or load_profile(), subnet, START, root_key)
        self._begin(evolve(beginning, canisters=Map.of((canisters or {}).items())))

    @classmethod
    def beginning_with(cls, state: State) -> Self:
        """One whose specification state is this, of an instance that has done nothing yet."""
        made = cls.__new__(cls)
        made._begin(state)
        return made

    def _begin(self, state: State) -> None:
        self.profile = state.profile
        self.state = state
        self.engine = Engine(
            state.profile,
            state.subnet,
            state.system_time,
            state.root_key,
            subnet_admins=dict(state.subnet_admins.items()),
            canisters=dict(state.canisters.items()),
        )
        self.schedule: list[Label] = []
        self.fired: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        """How often each rule lost cycles, among them those of an amount that was full."""
        self.executions: list[Executed] = []
        """All executions, in order."""
        self.burned: Counter[BurnReason] = Counter()
        """How many cycles were burned for what."""
        self.chosen: Counter[str] = Counter()
        """How often an execution was taken with a value of its own for a choice, by choice."""
        self.execution_choices: dict[str, Any] = {}
        """The choices with which messages are executed, where they fit."""
        self._nonce = 0

    def take(self, label: Label) -> bool:
        """Takes a label on both sides and compares. True if it was enabled. Raises `Disagreement`."""
        self.schedule.append(label)
        result = step(self.state, label)
        taken = self.engine.take(label)
        if isinstance(result, Step) == isinstance(taken, NotTaken):
            raise self._disagreement(f"{label}: the specification says {result!r:.300}, the engine {taken!r:.300}")
        if not isinstance(result, Step):
            self._compare_refusals(label, result, taken)
            self.schedule.pop()
            return False
        self.state = result.state
        self.fired[label.rule] += 1
        self.chosen.update(self.execution_choices.keys() & label.arguments().keys())
        self.lost[label.rule] += any(each.cycles and each.reason is BurnReason.LOST for each in result.burned)
        self.executions += [output for output in result.outputs if isinstance(output, Executed)]
        for each in result.burned:
            self.burned[each.reason] += each.cycles
        self._compare_shown(result, self.engine.explain())
        self.compare_states()
        return True

    def compare_states(self) -> None:
        """Raises `Disagreement` if the states differ, or if the engine keeps what does not hold any more."""
        found = difference(self.state, self.engine.abstract()) or stale(self.engine.instance)
        if found is not None:
            raise self._disagreement(found)

    def submit(
        self,
        sender: Principal,
        canister_id: Principal,
        method_name: MethodName,
        argument: Blob,
        effective_id: Principal | None = None,
        endpoint: Endpoint = Endpoint.CANISTER,
    ) -> tuple[RequestId | None, bool]:
        """Submits a request with a fresh nonce; whether it became known, and its id if so."""
        self._nonce += 1
        request = Request(
            nonce=self._nonce.to_bytes(8, "big"),
            ingress_expiry=self.state.system_time + 240 * NANOSECONDS_PER_SECOND,
            sender=sender,
            canister_id=canister_id,
            method_name=method_name,
            argument=argument,
        )
        known_before = set(self.state.requests.keys())
        target = effective_id if effective_id is not None else self.effective_id(request)
        if not self.take(submission_label(request, target, endpoint)):
            return None, False
        (request_id,) = set(self.state.requests.keys()) - known_before
        return request_id, True

    def certificate(self, canister_id: CanisterId) -> Blob | None:
        """
        The certificate that the engine gives a query of the canister, which must be one; None if it gives none.

        The specification takes it as a choice. Raises `Disagreement` if it does not certify what is in the state.
        """
        instance = self.engine.instance
        if canister_id not in instance.canisters:
            return None
        encoded = certificate_for(instance, instance.canisters[canister_id])
        if encoded is not None and not self._certifies(encoded, canister_id):
            raise self._disagreement(f"the certificate {encoded.hex()} does not certify what {canister_id.hex()} says")
        return encoded

    def _certifies(self, encoded: Blob, canister_id: CanisterId) -> bool:
        certificate = decode_certificate(encoded)
        certified = lookup((b"canister", canister_id, b"certified_data"), certificate)
        return (
            is_well_formed(certificate.tree)
            and verify_certificate(certificate, self.state.root_key, verify_bls_signature)
            and certified == Found(self.state.canisters[canister_id].certified_data)
            and lookup((b"time",), certificate) == Found(encode_unsigned(self.state.system_time))
        )

    def finish_execution(self) -> None:
        """Executes the message for which a call context was just created, if there is one."""
        for message_id, message in self.state.messages.entries:
            if isinstance(message, FuncMessage):
                chosen = Label("message_execution", {"message_id": message_id, **self.execution_choices})
                assert self.take(chosen) or self.take(Label("message_execution", {"message_id": message_id}))

    def settle(self, limit: int = 2000) -> None:
        """
        Takes enabled labels until none is left but heartbeats and timers.

        One rule is taken for as long as it is enabled, then the next one, since most rules are not.
        """
        taken = disabled = 0
        for name in cycle(SETTLING):
            disabled += 1
            while (label := next(enabled_of(self.state, [name]), None)) is not None:
                assert self.take(label), f"{label} is listed as enabled but is not"
                self.finish_execution()
                taken, disabled = taken + 1, 0
            if disabled > len(SETTLING):
                return
            if taken > limit:
                break
        raise self._disagreement(f"not settled after {limit} labels")

    def advance(self, duration: Nanoseconds) -> None:
        """Moves all clocks."""
        for canister_id, canister in self.state.canisters.items():
            time = canister.time + duration
            assert self.take(Label("canister_time_progress", {"canister_id": canister_id, "time": time}))
        assert self.take(Label("system_time_progress", {"time": self.state.system_time + duration}))

    def effective_id(self, request: Request) -> Principal:
        """The effective canister id with which a well-behaved client submits the request."""
        if request.canister_id != MANAGEMENT_CANISTER:
            return request.canister_id
        arguments = decode_arguments(request.method_name, request.argument)
        if isinstance(arguments, InstallChunkedCodeArguments):
            return arguments.target_canister
        named: Principal | None = getattr(arguments, "specified_id", None) or getattr(arguments, "canister_id", None)
        return named or Principal(b"\x00")

    def _compare_refusals(self, label: Label, result: NotEnabled | Unspecified, taken: object) -> None:
        """Requests that are not accepted are refused for the same reason; other labels are nobody's to be told."""
        if label.rule not in OUTSIDE or not isinstance(result, NotEnabled) or not isinstance(taken, NotTaken):
            return
        ours, theirs = result.reject, taken.reject
        if (ours and (ours.code, ours.reason)) != (theirs and (theirs.code, theirs.reason)):
            raise self._disagreement(f"{label}: refused with {ours!r:.300}, but by the engine with {theirs!r:.300}")

    def _compare_shown(self, result: Step, claimed: list[ClaimedStep]) -> None:
        shown = [observation(output) for output in result.outputs]
        observed = [one for claim in claimed for one in claim.observed.outputs]
        if shown != observed:
            raise self._disagreement(f"shown {shown!r:.500}, but the engine observed {observed!r:.500}")
        for output in result.outputs:
            if isinstance(output, Executed) and output.failure is not None:
                self.failures[output.failure.reason.name] += 1
        for mine, theirs in (
            (_sums(result.burned), [pair for claim in claimed for pair in claim.observed.burned]),
            (_sums(result.minted), [pair for claim in claimed for pair in claim.observed.minted]),
        ):
            if mine != _sums_of_pairs(theirs):
                raise self._disagreement(f"cycles {mine}, but the engine says {_sums_of_pairs(theirs)}")

    def _disagreement(self, what: str) -> Disagreement:
        lines = "\n".join(f"  {number}: {brief(label)}" for number, label in enumerate(self.schedule))
        return Disagreement(f"{what}\nafter the schedule\n{lines}")


def observation(output: Output) -> Observation:
    match output:
        case RequestStatusChanged(request_id, status):
            return StatusChange(request_id, status)
        case Executed(canister_id, instructions, failure):
            return ExecutionShown(canister_id, instructions, failure)


def _sums(amounts: tuple[Burned, ...] | tuple[Minted, ...]) -> dict[str, Cycles]:
    return _sums_of_pairs([(amount.reason, amount.cycles) for amount in amounts])


def _sums_of_pairs(pairs: list[tuple[Any, Cycles]]) -> dict[str, Cycles]:
    sums: Counter[str] = Counter()
    for reason, cycles in pairs:
        sums[reason.value] += cycles
    return {reason: cycles for reason, cycles in sums.items() if cycles}


def brief(label: Label) -> str:
    choices = {name: _brief_value(value) for name, value in label.choices}
    return f"{label.rule} {choices}"


def _brief_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()[:40]
    if isinstance(value, Request):
        return f"{value.method_name} of {value.canister_id.hex()} with {value.argument.hex()[:60]}"
    return value
