"""What becomes of a request: it is started or rejected, answered, and in the end forgotten."""

from attrs import evolve

from spec.rules.conditions import response_message
from spec.rules.ingress.submission import caller_of
from spec.state.message import CallMessage, Unordered
from spec.state.origin import FromUser
from spec.state.request import Done, KnownRequest, Processing, Received, Rejected, Replied, RequestStatus
from spec.state.state import State
from spec.transition import RequestStatusChanged, Step, require, require_kind, transition
from spec.values.checklist import defines
from spec.values.identifiers import MessageId, RequestId
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply, Response, system_reject


@transition(title="Request rejection", source="abstract-behavior#request-rejection")
@defines("rule.request-rejection", "unspec.spont.request-rejection")
def request_rejection(state: State, *, request_id: RequestId, code: RejectCode) -> Step:
    """The system may reject a request that was not started, for reasons of its own."""
    # CONDITIONS
    known = known_request(state, request_id)
    require(isinstance(known.status, Received), "the request was not started")
    require(code in (RejectCode.SYS_FATAL, RejectCode.SYS_TRANSIENT), "the reject code is that of a system error")

    # STATE AFTER
    return with_status(state, request_id, known, Rejected(system_reject(code, RejectReason.SYSTEM_OVERLOADED)))


@transition(title="Initiating canister calls", source="abstract-behavior#initiating-canister-calls")
@defines("inv.order.ingress-unordered", "unspec.order.ingress", "inv.ingress.processing-has-effect")
def initiate_call(state: State, *, request_id: RequestId) -> Step:
    """A request becomes a call."""
    # CONDITIONS
    known = known_request(state, request_id)
    request = known.request
    require(isinstance(known.status, Received), "the request was not started")
    require(state.system_time <= request.ingress_expiry, "the request has not expired")
    started = with_status(state, request_id, known, Processing())

    # STATE AFTER
    return evolve(
        started,
        state=evolve(
            started.state,
            messages=state.messages.prepend(
                CallMessage(
                    origin=FromUser(request_id),
                    caller=caller_of(request),
                    callee=request.canister_id,
                    method_name=request.method_name,
                    argument=request.argument,
                    transferred_cycles=0,
                    queue=Unordered(),
                )
            ),
        ),
    )


@transition(title="Respond to user request", source="abstract-behavior#respond-to-user-request")
@defines("seed1.ingress-response")
def respond_to_user(state: State, *, message_id: MessageId) -> Step:
    """The response to a user's call becomes the status of the request."""
    # CONDITIONS
    response = response_message(state, message_id)
    origin = require_kind(response.origin, FromUser, "a user made the call")
    known = known_request(state, origin.request_id)
    require(isinstance(known.status, Processing), "the request is being processed")
    shown = with_status(state, origin.request_id, known, status_of(response.response))

    # STATE AFTER
    return evolve(shown, state=evolve(shown.state, messages=state.messages.remove(message_id)))


@transition(title="Request clean up: response dropped", source="abstract-behavior#update-call-request-clean-up")
@defines(
    "rule.request-cleanup.done", "unspec.env.done-status", "unspec.spont.request-cleanup", "http.lifecycle.retention"
)
def request_done(state: State, *, request_id: RequestId) -> Step:
    """The response to a request is no longer kept, but the request is still known."""
    # CONDITIONS
    known = known_request(state, request_id)
    require(isinstance(known.status, Replied | Rejected), "the request was answered")

    # STATE AFTER
    return with_status(state, request_id, known, Done())


@transition(title="Request clean up: request forgotten", source="abstract-behavior#update-call-request-clean-up")
@defines("rule.request-cleanup.delete", "unspec.spont.request-cleanup", "http.lifecycle.retention")
def request_deletion(state: State, *, request_id: RequestId) -> Step:
    """A request that was answered and has expired is forgotten."""
    # CONDITIONS
    known = known_request(state, request_id)
    require(isinstance(known.status, Replied | Rejected | Done), "the request was answered")
    require(known.request.ingress_expiry < state.system_time, "the request has expired")

    # STATE AFTER
    return Step(
        evolve(state, requests=state.requests.remove(request_id)),
        outputs=(RequestStatusChanged(request_id, None),),
    )


def known_request(state: State, request_id: RequestId) -> KnownRequest:
    """The request with this id."""
    require(request_id in state.requests, "the request is known")
    return state.requests[request_id]


def with_status(state: State, request_id: RequestId, known: KnownRequest, status: RequestStatus) -> Step:
    """The step in which a request gets another status."""
    return Step(
        evolve(state, requests=state.requests.set(request_id, evolve(known, status=status))),
        outputs=(RequestStatusChanged(request_id, status),),
    )


def status_of(response: Response) -> RequestStatus:
    """A response as the status of a request."""
    match response:
        case Reply(data):
            return Replied(data)
        case Reject():
            return Rejected(response)
