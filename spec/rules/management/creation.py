"""Creating canisters."""

from attrs import evolve

from spec.rules.management.arguments import change_origin, decoded, management_call
from spec.rules.management.settings import (
    changed_settings,
    code_of_bad_settings,
    default_settings,
    environment_variables_hash,
    require_affordable,
    settings_are_allowed,
)
from spec.rules.resources import creation_fee, cycles_to_reserve
from spec.state.canister import Canister, Empty, Running, Settings
from spec.state.history import CanisterHistory, Change, Creation, recorded
from spec.state.message import CallMessage, ResponseMessage
from spec.state.state import State
from spec.transition import Burned, BurnReason, Minted, MintReason, Step, opaque, require, transition
from spec.values import management
from spec.values.checklist import defines
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, Blob, CanisterId, MessageId
from spec.values.quantities import CanisterVersion, Cycles, credited
from spec.values.rejects import RejectCode, RejectReason, Reply

LONGEST_ID = 29
CLASS_SELF_AUTHENTICATING = 0x02
CLASS_DERIVED = 0x03
CLASS_RESERVED = 0x7F
"""The last byte of ids of these classes. Source: index, special forms of principals."""


@opaque
def create_canister_arguments(argument: Blob) -> management.CreateCanisterArguments | None:
    """The argument of `create_canister`."""
    arguments = management.decode_arguments("create_canister", argument)
    return arguments if isinstance(arguments, management.CreateCanisterArguments) else None


@opaque
def provisional_create_arguments(argument: Blob) -> management.ProvisionalCreateArguments | None:
    """The argument of `provisional_create_canister_with_cycles`."""
    arguments = management.decode_arguments("provisional_create_canister_with_cycles", argument)
    return arguments if isinstance(arguments, management.ProvisionalCreateArguments) else None


@defines("def.is-system-assigned", "unspec.fn.is-system-assigned", "inv.id-classes-disjoint")
def is_system_assigned(canister_id: CanisterId) -> bool:
    """The id can be that of a canister. Source: abstract-behavior, canister creation (`is_system_assigned`)."""
    return canister_id not in (MANAGEMENT_CANISTER, ANONYMOUS) and is_opaque_id(canister_id)


@opaque
def is_opaque_id(canister_id: CanisterId) -> bool:
    """The id, which is not empty, is short enough and ends in no byte that marks another class."""
    return len(canister_id) <= LONGEST_ID and canister_id[-1] not in (
        CLASS_SELF_AUTHENTICATING,
        CLASS_DERIVED,
        CLASS_RESERVED,
    )


@opaque
def encoded_canister_id(canister_id: CanisterId) -> Blob:
    """The result that names a canister."""
    return management.encode_canister_id_result(canister_id)


@transition(title="Canister creation", source="abstract-behavior#ic-management-canister-canister-creation")
@defines("error.create-canister-not-enough-cycles", "seed1.top-up", "seed2.actor-create")
def create_canister(state: State, *, message_id: MessageId, canister_id: CanisterId) -> Step:
    """A canister without code is created; the cycles sent with the call, less the fee, are its balance."""
    # CONDITIONS
    call = management_call(state, message_id, "create_canister")
    arguments = decoded(create_canister_arguments(call.argument))
    require_free_id(state, canister_id)
    fee = fee_of_creation(state)
    require(call.transferred_cycles >= fee, "the fee is attached", RejectReason.INSUFFICIENT_CYCLES_ATTACHED)
    deposit = credited(0, call.transferred_cycles - fee)
    canister = created(state, call, canister_id, deposit.total, arguments.settings, arguments.sender_canister_version)

    # STATE AFTER
    return Step(
        evolve(
            state,
            canisters=state.canisters.set(canister_id, canister),
            messages=state.messages.remove(message_id).append(
                ResponseMessage(call.origin, Reply(encoded_canister_id(canister_id)), refunded_cycles=0)
            ),
        ),
        burned=(Burned(fee, BurnReason.CREATION), Burned(deposit.lost, BurnReason.LOST)),
    )


@transition(
    title="Canister creation with cycles",
    source="abstract-behavior#ic-management-canister-canister-creation-with-cycles",
)
@defines("mgmt-general.provisional")
def provisional_create_canister_with_cycles(state: State, *, message_id: MessageId, canister_id: CanisterId) -> Step:
    """On a development instance, a canister is created whose cycles come out of nothing."""
    # CONDITIONS
    call = management_call(state, message_id, "provisional_create_canister_with_cycles")
    arguments = decoded(provisional_create_arguments(call.argument))
    require(
        arguments.specified_id is None or arguments.specified_id == canister_id,
        "the id is the one that was asked for",
    )
    require_free_id(state, canister_id)
    amount = state.profile.defaults.provisional_cycles if arguments.amount is None else arguments.amount
    deposit = credited(0, amount)
    canister = created(state, call, canister_id, deposit.total, arguments.settings, arguments.sender_canister_version)

    # STATE AFTER
    return Step(
        evolve(
            state,
            canisters=state.canisters.set(canister_id, canister),
            messages=state.messages.remove(message_id).append(
                ResponseMessage(call.origin, Reply(encoded_canister_id(canister_id)), call.transferred_cycles)
            ),
        ),
        minted=(Minted(amount, MintReason.PROVISIONAL),),
        burned=(Burned(deposit.lost, BurnReason.LOST),),
    )


@defines("mgmt-general.cycles-attached")
def fee_of_creation(state: State) -> Cycles:
    """What creating a canister costs. Source: management-canister, create_canister (free on subnets with admins)."""
    subnet_id = state.subnet.subnet_id
    if subnet_id in state.subnet_admins and not state.subnet_admins[subnet_id].is_empty():
        return 0
    return creation_fee(state.profile, state.subnet.subnet_size)


@defines("seed2.canister-id")
def require_free_id(state: State, canister_id: CanisterId) -> None:
    """States that a new canister may have this id."""
    require(
        is_system_assigned(canister_id),
        "the id is system assigned",
        RejectReason.CANISTER_ID_TAKEN,
        RejectCode.CANISTER_REJECT,
    )
    require(canister_id not in state.canisters, "the id is not in use", RejectReason.CANISTER_ID_TAKEN)
    require(
        not state.deleted_canisters.contains(canister_id),
        "the id was never used",
        RejectReason.CANISTER_ID_TAKEN,
    )


def created(
    state: State,
    call: CallMessage,
    canister_id: CanisterId,
    cycles: Cycles,
    given: management.SettingsArguments,
    sender_canister_version: CanisterVersion | None,
) -> Canister:
    """The new canister, if its settings are allowed and it can pay for them."""
    settings = changed_settings(default_settings(state.profile, call.caller.principal), given)
    require(
        settings_are_allowed(state.profile, settings, given),
        "the settings keep within the limits",
        RejectReason.INVALID_SETTINGS,
        code_of_bad_settings(state.profile, settings, given),
    )
    canister = new_canister(state, call, settings, given, cycles, sender_canister_version)
    reserved = cycles_to_reserve(state, canister_id, canister)
    after = evolve(canister, balance=cycles - reserved, reserved_balance=reserved)
    takes_resources = settings.compute_allocation > 0 or settings.memory_allocation > 0 or reserved > 0
    require_affordable(state.profile, after, must_stay_liquid=takes_resources)
    return after


@defines("unspec.fn.subnets")
def new_canister(
    state: State,
    call: CallMessage,
    settings: Settings,
    given: management.SettingsArguments,
    cycles: Cycles,
    sender_canister_version: CanisterVersion | None,
) -> Canister:
    """A running canister without code, created now."""
    details = Creation(
        settings.controllers,
        None if given.environment_variables is None else environment_variables_hash(settings.environment_variables),
    )
    origin = change_origin(call, sender_canister_version)
    return Canister(
        code=Empty(),
        settings=settings,
        status=Running(),
        version=0,
        subnet=state.subnet,
        time=state.system_time,
        global_timer=0,
        balance=cycles,
        reserved_balance=0,
        certified_data=b"",
        created_at=state.system_time,
        installed_at=None,
        history=recorded(CanisterHistory(), Change(state.system_time, 0, origin, details)),
    )
