"""HTTPS outcalls: a canister asks a server outside, and the answer comes from there."""

from spec import fees
from spec.profile import Limits, Profile
from spec.rules.management.arguments import decoded, management_call
from spec.rules.management.services import require_fee, served
from spec.rules.modules import module_of
from spec.state.canister import Code
from spec.state.message import CallMessage
from spec.state.state import State
from spec.transition import Step, opaque, require, transition
from spec.values import management
from spec.values.checklist import defines
from spec.values.containers import List
from spec.values.identifiers import Blob, MessageId, Principal
from spec.values.quantities import ByteCount, Count, Cycles
from spec.values.rejects import RejectReason, Reply

REQUIRED_SCHEME = "https://"
"""Source: management-canister, http_request."""

ONE_NODE_ONLY = (management.HttpMethod.PUT, management.HttpMethod.DELETE, management.HttpMethod.PATCH)
"""Methods that only one node may use, not all of them. Source: management-canister, http_request."""


@opaque
def http_request_arguments(argument: Blob) -> management.HttpRequestArguments | None:
    """The argument of `http_request`."""
    arguments = management.decode_arguments("http_request", argument)
    return arguments if isinstance(arguments, management.HttpRequestArguments) else None


@opaque
def size_of_headers(headers: List[management.HttpHeader]) -> ByteCount:
    """The bytes of all names and values."""
    return headers.total(lambda header: len(header.name.encode()) + len(header.value.encode()))


@opaque
def are_allowed_headers(limits: Limits, headers: List[management.HttpHeader]) -> bool:
    """There are not too many headers, and they are not too long. Source: management-canister, http_request."""
    return (
        len(headers) <= limits.http_headers
        and headers.every(
            lambda header: (
                len(header.name.encode()) <= limits.http_header and len(header.value.encode()) <= limits.http_header
            )
        )
        and size_of_headers(headers) <= limits.http_headers_size
    )


@opaque
def is_allowed_url(limits: Limits, arguments: management.HttpRequestArguments) -> bool:
    """The address is one of HTTPS, and not too long."""
    return arguments.url.startswith(REQUIRED_SCHEME) and len(arguments.url.encode()) <= limits.http_url


@opaque
def size_of_request(arguments: management.HttpRequestArguments) -> ByteCount:
    """The bytes of headers and body."""
    return size_of_headers(arguments.headers) + len(arguments.body or b"")


@opaque
def largest_response(limits: Limits, arguments: management.HttpRequestArguments) -> ByteCount:
    """How large the response may be, in bytes."""
    return limits.http_response if arguments.max_response_bytes is None else arguments.max_response_bytes


@opaque
@defines("entry.transform")
def is_transform_of(state: State, caller: Principal, transform: management.HttpTransform) -> bool:
    """The transformation is a query method of the caller."""
    if transform.canister_id != caller or caller not in state.canisters:
        return False
    code = state.canisters[caller].code
    return isinstance(code, Code) and transform.method_name in module_of(state.profile, code).query_methods


@opaque
def outcall_fee(profile: Profile, arguments: management.HttpRequestArguments, subnet_size: Count) -> Cycles:
    """What an outcall costs. Address and transformation count like the request. Source: facts on fees, http_request."""
    sent = size_of_request(arguments) + len(arguments.url.encode())
    if arguments.transform is not None:
        sent += len(arguments.transform.method_name.encode()) + len(arguments.transform.context)
    received = largest_response(profile.limits, arguments)
    return fees.http_request_fee(profile.fees, sent, received, subnet_size)


@opaque
@defines("entry.transform")
def is_admissible_response(
    limits: Limits, arguments: management.HttpRequestArguments, answer: management.HttpResponse
) -> bool:
    """The response keeps within the limits; a transformed one with its encoding."""
    largest = largest_response(limits, arguments)
    if answer.status < 0:
        return False
    if arguments.transform is not None:
        return len(encoded_response(answer)) <= largest
    return are_allowed_headers(limits, answer.headers) and size_of_headers(answer.headers) + len(answer.body) <= largest


@opaque
def encoded_response(answer: management.HttpResponse) -> Blob:
    """The result of `http_request`."""
    return management.encode_result("http_request", answer)


def http_request_call(
    state: State, message_id: MessageId
) -> tuple[CallMessage, management.HttpRequestArguments, Cycles]:
    """A call to `http_request` that can be served, its argument and its fee."""
    call = management_call(state, message_id, "http_request")
    arguments = decoded(http_request_arguments(call.argument))
    require_allowed_request(state.profile.limits, arguments)
    require(
        arguments.transform is None or is_transform_of(state, call.caller.principal, arguments.transform),
        "the transformation is a query method of the caller",
        RejectReason.INVALID_OUTCALL,
    )
    fee = outcall_fee(state.profile, arguments, state.subnet.subnet_size)
    require_fee(call, fee)
    return call, arguments, fee


def require_allowed_request(limits: Limits, arguments: management.HttpRequestArguments) -> None:
    """States that a request keeps within the limits."""
    refused = RejectReason.INVALID_OUTCALL
    require(is_allowed_url(limits, arguments), "the address is one of HTTPS and not too long", refused)
    require(
        arguments.method not in ONE_NODE_ONLY or (arguments.is_replicated is not None and not arguments.is_replicated),
        "all nodes may use the method, or one node only makes the request",
        refused,
    )
    require(
        largest_response(limits, arguments) <= limits.http_response,
        "the largest response is not too large",
        refused,
    )
    require(are_allowed_headers(limits, arguments.headers), "the headers keep within the limits", refused)
    require(size_of_request(arguments) <= limits.http_request, "the request is not too large", refused)


@transition(title="HTTPS outcall", source="ours#outside-world")
@defines("unspec.value.http-outcalls")
def http_request(state: State, *, message_id: MessageId, answer: management.HttpResponse) -> Step:
    """
    A server answered the request of a canister.

    The answer is what the canister gets: where it asks for a transformation, the transformed response.
    """
    # CONDITIONS
    call, arguments, fee = http_request_call(state, message_id)
    require(is_admissible_response(state.profile.limits, arguments, answer), "the response keeps within the limits")

    # STATE AFTER
    return served(state, message_id, call, Reply(encoded_response(answer)), fee)
