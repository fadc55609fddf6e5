"""What a round gets and what it gives, and the capacities that it may reach."""

from collections import Counter
from collections.abc import Mapping
from enum import Enum

from attrs import field, frozen

from reference_impl.subnet.observations import ClaimedStep
from reference_impl.subnet.streams import Delivery
from spec.state.label import Label
from spec.state.request import Request
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, Principal, SubnetId
from spec.values.quantities import ByteCount, Count, Instructions, Nanoseconds


@frozen
class BlockRequest:
    """A request in a block."""

    request: Request
    effective_id: Principal
    size: ByteCount | None = None
    """The bytes of the signed message, which somebody pays for; None if nobody does."""


@frozen
class Block:
    """What consensus hands to a round."""

    time: Nanoseconds
    requests: tuple[BlockRequest, ...] = ()
    answers: tuple[Label, ...] = ()
    """Transitions of the outside world; one that cannot be taken any more is left out."""
    randomness: Blob = bytes(32)
    subnet_admins: Mapping[SubnetId, List[Principal]] | None = None
    """Those of the registry; None if it has not changed."""
    deliveries: Mapping[SubnetId, Delivery] = field(factory=dict)
    """What other subnets have for this one, and have certified."""


class Capacity(Enum):
    """What there is only so much of, by what happens where it is used up."""

    SLOTS_OF_CALLEE = "a call finds no slot of its callee"
    CALLBACKS = "a call finds no callback"
    OWN_CALLBACKS = "a call is made with a callback of its canister's own, as the subnet has none left"
    MESSAGE_MEMORY = "a call finds no memory for messages"
    MESSAGE_MEMORY_OF_CALLEE = "a call stays with its maker, as its callee has no room for the response"
    REQUEST_LIFETIME = "a call has stayed with its maker for too long"
    BEST_EFFORT_MEMORY = "a call with bounded wait is shed"
    MEMORY = "a memory does not grow"
    MEMORY_FOR_CALLBACKS = "a memory grows in a callback into what is kept for callbacks"
    MEMORY_FOR_MANAGEMENT = "a management call finds no memory"
    CUSTOM_SECTIONS = "a management call finds no memory for custom sections"
    CANISTERS = "no more canisters can be created"
    COMPUTE = "there is no compute left to allocate"
    OUTCALLS = "too many outcalls are under way"
    INGRESS_HISTORY = "no more requests can be known"
    INSTALLATION_RATE = "code is installed too soon after other code"
    HEAP_DELTA_RATE = "a management call would change memory too soon after other changes"
    RATE_OF_EXECUTION = "a canister pauses after it has changed or installed too much"
    HEAP_DELTA_OF_ITERATION = "a core ends because so much memory has changed"
    HEAP_DELTA = "nothing is executed before the next checkpoint, as so much memory has changed"
    ROUND = "the instructions of a round are used up"
    SLICE = "an execution goes on in another slice"
    INSTALLATION_SLICE = "an installation goes on in another slice"
    MANAGEMENT_BUDGET = "a management call waits for a round with instructions left for it"
    ONE_INSTALLATION = "an installation waits for another one"
    PAUSED_EXECUTIONS = "one paused execution too many is aborted"
    CHECKPOINT = "a checkpoint aborts an execution"
    STOP_TIMEOUT = "a call has waited too long for a canister to stop"
    ANSWER_LIFETIME = "an answer is forgotten"
    REQUEST_EXPIRY = "a request expires before it is started"
    CALL_DEADLINE = "the deadline of a call passes"
    HISTORY = "old changes of a canister are forgotten"
    UNPAID_HOOK = "a low-memory hook that cannot be paid for is tried in vain"
    CYCLES = "a canister that cannot pay loses its code"
    PRIORITY = "a priority shrinks because it is far from zero"


@frozen
class RoundDone:
    """What a round did."""

    number: Count
    steps: tuple[ClaimedStep, ...]
    cores: tuple[Instructions, ...]
    """What was executed on each core."""
    iterations: Count
    management_instructions: Instructions
    slices: tuple[tuple[CanisterId, Instructions], ...]
    """The slices of executions and installations that went on after them."""
    reached: Counter[Capacity]
    """How often each capacity was reached."""

    @property
    def labels(self) -> tuple[Label, ...]:
        """The transitions that were taken, in order."""
        return tuple(step.label for step in self.steps)
