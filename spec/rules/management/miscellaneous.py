"""Depositing cycles, random numbers, and topping up on development instances."""

from attrs import evolve

from spec.rules.conditions import existing_canister
from spec.rules.management.arguments import decoded, managed_call, management_call, replied, reply
from spec.state.message import ResponseMessage
from spec.state.state import State
from spec.transition import Burned, BurnReason, Minted, MintReason, Step, opaque, require, transition
from spec.values import management
from spec.values.checklist import defines
from spec.values.identifiers import Blob, MessageId
from spec.values.quantities import credited
from spec.values.rejects import RejectReason, Reply

RANDOM_BYTES = 32
"""How many bytes `raw_rand` gives."""


@opaque
def is_empty_argument(argument: Blob) -> bool:
    """The argument of `raw_rand` decodes: it is an empty list of values."""
    return isinstance(management.decode_arguments("raw_rand", argument), management.RawRandArguments)


@opaque
def top_up_arguments(argument: Blob) -> management.ProvisionalTopUpArguments | None:
    """The argument of `provisional_top_up_canister`."""
    arguments = management.decode_arguments("provisional_top_up_canister", argument)
    return arguments if isinstance(arguments, management.ProvisionalTopUpArguments) else None


@opaque
def encoded_blob(content: Blob) -> Blob:
    """A result that is one blob."""
    return management.encode_blob_result(content)


@transition(title="Depositing cycles", source="abstract-behavior#ic-management-canister-depositing-cycles")
@defines("seed1.top-up")
def deposit_cycles(state: State, *, message_id: MessageId) -> Step:
    """Anyone may add the cycles attached to a call to the balance of a canister."""
    # CONDITIONS
    managed = managed_call(state, message_id, "deposit_cycles")
    call, canister = managed.call, managed.canister
    deposit = credited(canister.balance, call.transferred_cycles)

    # STATE AFTER
    return Step(
        evolve(
            state,
            canisters=state.canisters.set(managed.canister_id, evolve(canister, balance=deposit.total)),
            messages=state.messages.remove(message_id).append(
                ResponseMessage(call.origin, Reply(management.EMPTY_RESULT), refunded_cycles=0)
            ),
        ),
        burned=(Burned(deposit.lost, BurnReason.LOST),),
    )


@transition(title="Random numbers", source="abstract-behavior#ic-management-canister-random-numbers")
@defines("unspec.value.raw-rand")
def raw_rand(state: State, *, message_id: MessageId, randomness: Blob) -> Step:
    """A caller gets 32 bytes that nobody could foresee."""
    # CONDITIONS
    call = management_call(state, message_id, "raw_rand")
    require(is_empty_argument(call.argument), "the argument decodes", RejectReason.INVALID_ARGUMENT)
    require(len(randomness) == RANDOM_BYTES, "there are 32 random bytes")

    # STATE AFTER
    return reply(state, message_id, call, encoded_blob(randomness))


@transition(title="Top up canister", source="abstract-behavior#ic-management-canister-top-up-canister")
@defines("mgmt-general.provisional")
def provisional_top_up_canister(state: State, *, message_id: MessageId) -> Step:
    """On a development instance, cycles for a canister come out of nothing."""
    # CONDITIONS
    call = management_call(state, message_id, "provisional_top_up_canister")
    arguments = decoded(top_up_arguments(call.argument))
    canister = existing_canister(state, arguments.canister_id)
    deposit = credited(canister.balance, arguments.amount)

    # STATE AFTER
    return Step(
        evolve(
            replied(state, message_id, call),
            canisters=state.canisters.set(arguments.canister_id, evolve(canister, balance=deposit.total)),
        ),
        minted=(Minted(arguments.amount, MintReason.PROVISIONAL),),
        burned=(Burned(deposit.lost, BurnReason.LOST),),
    )
