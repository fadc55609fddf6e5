"""Requests that clients make for users: they are trusted with the sender, and sign nothing."""

from typing import Final

from attrs import frozen

from reference_impl.reads.management_queries import TELLING, canister_in
from reference_impl.reads.queries import Query
from reference_impl.server.errors import told
from reference_impl.server.pocket_ic.fields import (
    Fields,
    Forbidden,
    Json,
    Refused,
    base64_of,
    blob_of,
    case_of,
    conversion_error,
    fields_of,
    principal_of,
    text_of,
    wrong,
)
from reference_impl.server.pocket_ic.simulation import Simulation, is_management
from reference_impl.server.pocket_ic.subnets import PocketSubnet, default_subnet
from reference_impl.subnet.network import SYSTEM
from reference_impl.subnet.observations import NotTaken
from spec.state.request import Rejected, Replied, Request, SenderInfo
from spec.values.identifiers import Blob, CanisterId, MethodName, Principal, RequestId, Text, principal_to_text
from spec.values.management import (
    InstallChunkedCodeArguments,
    ProvisionalCreateArguments,
    decode_arguments,
)
from spec.values.quantities import NANOSECONDS_PER_SECOND, ByteCount, Count, Nanoseconds
from spec.values.rejects import Reject, Reply, Response

LIFETIME: Final[Nanoseconds] = 300 * NANOSECONDS_PER_SECOND
"""So long after it is made a request expires."""
MOST_ROUNDS: Final[Count] = 100
"""So many rounds are run until a request is answered."""
ID_SIZE: Final = 32
NONCE_SIZE: Final = 8
LARGEST_ON_APPLICATION: Final[ByteCount] = 2 << 20
LARGEST_ON_SYSTEM: Final[ByteCount] = 7 << 19
"""Bytes of a request, by the type of the subnet. Source: production, the largest ingress messages."""
CREATING: Final = ("create_canister", "provisional_create_canister_with_cycles")

NONE: Final = "None"
SUBNET_ID: Final = "SubnetId"
CANISTER_ID: Final = "CanisterId"


@frozen
class Effective:
    """Where a client wants a request to go."""

    case: Text
    principal: Principal = Principal(b"")


@frozen
class Asked:
    """A request as a client makes it."""

    sender: Principal
    canister_id: CanisterId
    method_name: MethodName
    argument: Blob
    effective: Effective
    sender_info: SenderInfo | None = None


@frozen
class Routed:
    """Where a request goes."""

    subnet: PocketSubnet
    effective_id: Principal
    """What the engine takes for the effective id: the canister concerned, or the subnet that creates one."""


def effective_of(fields: Fields, name: Text = "effective_principal") -> Effective:
    """Where a client wants a request to go."""
    case, content = case_of(fields.get(name, NONE), name)
    if case == NONE:
        return Effective(NONE)
    if case not in (SUBNET_ID, CANISTER_ID):
        raise wrong(name, "None, SubnetId or CanisterId")
    what = "subnet id" if case == SUBNET_ID else "canister id"
    return Effective(case, principal_of({case: content}, case, what))


def asked_of(body: Json) -> Asked:
    """The request in a body."""
    fields = fields_of(body)
    return Asked(
        principal_of(fields, "sender", "sender principal"),
        CanisterId(principal_of(fields, "canister_id")),
        text_of(fields, "method"),
        blob_of(fields, "payload"),
        effective_of(fields),
        _sender_info(fields),
    )


def _sender_info(fields: Fields) -> SenderInfo | None:
    """What a canister said of the sender, without its signature: the client is trusted with that too."""
    if fields.get("sender_info") is None:
        return None
    told = fields_of(fields["sender_info"], "sender_info")
    return SenderInfo(blob_of(told, "info"), principal_of(told, "signer", "signer"), b"")


def routed(simulation: Simulation, asked: Asked) -> Routed:
    """Where a request goes. Raises `Refused` if nobody has what it is about."""
    about = _about(asked)
    match asked.effective.case:
        case "SubnetId":
            subnet = simulation.subnet(asked.effective.principal)
        case "CanisterId" if is_management(asked.canister_id) and asked.method_name in CREATING:
            subnet = _creating(simulation, asked.effective.principal)
        case "CanisterId":
            subnet = _owner(simulation, asked.effective.principal)
        case _:
            subnet = _found(simulation, asked, about)
    if not is_management(asked.canister_id):
        return Routed(subnet, asked.canister_id)
    return Routed(subnet, subnet.subnet_id if about is None else about)


def _about(asked: Asked) -> CanisterId | None:
    """The canister that a call of the management canister concerns, if its argument names one."""
    if not is_management(asked.canister_id):
        return None
    if asked.method_name in TELLING:
        return canister_in(asked.argument)
    match decode_arguments(asked.method_name, asked.argument):
        case InstallChunkedCodeArguments(target_canister=canister_id):
            return canister_id
        case object(canister_id=bytes(canister_id)):
            return CanisterId(Principal(canister_id))
    return None


def _found(simulation: Simulation, asked: Asked, about: CanisterId | None) -> PocketSubnet:
    """Where a request goes of which the client does not say it."""
    if not is_management(asked.canister_id):
        return _owner(simulation, asked.canister_id)
    arguments = decode_arguments(asked.method_name, asked.argument)
    if asked.method_name in CREATING:
        wanted = arguments.specified_id if isinstance(arguments, ProvisionalCreateArguments) else None
        return default_subnet(simulation.subnets) if wanted is None else simulation.subnet_for_id(wanted)
    if about is not None:
        return _owner(simulation, about)
    if arguments is None:
        raise Refused(f'BadIngressMessage("Error decoding candid: the argument is not one of {asked.method_name}")')
    return default_subnet(simulation.subnets)


def _creating(simulation: Simulation, effective_id: Principal) -> PocketSubnet:
    if is_management(effective_id):
        return default_subnet(simulation.subnets)
    return simulation.subnet_for_id(effective_id)


def _owner(simulation: Simulation, canister_id: Principal) -> PocketSubnet:
    owner = simulation.owner_of(canister_id)
    if owner is None:
        text = principal_to_text(canister_id)
        raise Refused(f'CanisterRequestRoutingError("Canister {text} does not belong to any subnet.")')
    return owner


def result_of(response: Response, *, is_certified: bool) -> Json:
    """A response as the answer of an operation."""
    match response:
        case Reply(data=data):
            return {"Ok": base64_of(data)}
        case Reject():
            return {"Err": told(response, is_certified=is_certified)}


def submit(simulation: Simulation, asked: Asked) -> Json:
    """Takes a request in, for the rounds to come; the answer names it."""
    where = routed(simulation, asked)
    largest = LARGEST_ON_SYSTEM if where.subnet.hosted.kind == SYSTEM else LARGEST_ON_APPLICATION
    if len(asked.argument) > largest:
        raise Refused(
            f'BadIngressMessage("Request {asked.method_name} is too large. Message byte size {len(asked.argument)} is'
            f' larger than the max allowed {largest}.")'
        )
    simulation.messages_sent += 1
    outcome = simulation.engine.submit(
        Request(
            nonce=simulation.messages_sent.to_bytes(NONCE_SIZE, "big"),
            ingress_expiry=max(simulation.clock, simulation.instance.system_time) + LIFETIME,
            sender=asked.sender,
            canister_id=asked.canister_id,
            method_name=asked.method_name,
            argument=asked.argument,
            sender_info=asked.sender_info,
        ),
        where.effective_id,
    )
    if not isinstance(outcome, NotTaken):
        effective = {SUBNET_ID: base64_of(where.subnet.subnet_id)}
        return {"Ok": {"effective_principal": effective, "message_id": base64_of(outcome.request_id)}}
    if outcome.reject is None:
        raise Refused(f'BadIngressMessage("{outcome.because}")')
    return result_of(outcome.reject, is_certified=False)


def message_of(body: Json) -> RequestId:
    """The request that a client names, by what `submit` answered."""
    fields = fields_of(body)
    effective_of(fields)
    message_id = blob_of(fields, "message_id")
    if len(message_id) != ID_SIZE:
        raise conversion_error("Bad message id")
    return RequestId(message_id)


def answer_of(simulation: Simulation, request_id: RequestId) -> Json:
    """The answer to a request, None while there is none."""
    match simulation.engine.request_status(request_id):
        case Replied(data=data):
            return result_of(Reply(data), is_certified=True)
        case Rejected(reject=reject):
            return result_of(reject, is_certified=True)
    return None


def awaited(simulation: Simulation, request_id: RequestId) -> Json:
    """Runs rounds until a request is answered, and answers so."""
    for _ in range(MOST_ROUNDS):
        answer = answer_of(simulation, request_id)
        if answer is not None:
            return answer
        simulation.round()
    answer = answer_of(simulation, request_id)
    if answer is None:
        raise Refused(
            f'BadIngressMessage("Failed to answer to ingress 0x{request_id.hex()} after {MOST_ROUNDS} rounds.")'
        )
    return answer


def status(simulation: Simulation, body: Json) -> Json:
    """The answer to a request so far, for its sender alone if the client says who asks."""
    fields = fields_of(body)
    request_id = message_of(fields.get("raw_message_id"))
    answer = answer_of(simulation, request_id)
    if answer is not None and fields.get("raw_caller") is not None:
        caller = fields_of(fields["raw_caller"], "raw_caller")
        if simulation.instance.ingress[request_id].request.sender != principal_of(caller, "principal_id", "principal"):
            raise Forbidden("The user tries to access Request ID not signed by the caller.")
    return answer


def query(simulation: Simulation, asked: Asked) -> Json:
    """Evaluates a query on the state as it is."""
    where = routed(simulation, asked)
    simulation.messages_sent += 1
    made = Query(
        nonce=simulation.messages_sent.to_bytes(NONCE_SIZE, "big"),
        ingress_expiry=simulation.instance.system_time + LIFETIME,
        sender=asked.sender,
        canister_id=asked.canister_id,
        method_name=asked.method_name,
        argument=asked.argument,
        sender_info=asked.sender_info,
    )
    response = simulation.engine.query(made, where.effective_id)
    if isinstance(response, NotTaken):
        if response.reject is None:
            raise Refused(f'BadIngressMessage("{response.because}")')
        response = response.reject
    return result_of(response, is_certified=False)
