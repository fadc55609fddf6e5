"""HTTPS outcalls, which wait until clients answer them in the place of servers and nodes."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import frozen

from reference_impl.engine import Engine
from reference_impl.server.pocket_ic.fields import (
    Fields,
    Json,
    Refused,
    base64_of,
    blob_of,
    case_of,
    fields_of,
    list_of,
    nested_principal_of,
    number_of,
    text_of,
)
from reference_impl.server.pocket_ic.transforming import transformed
from reference_impl.subnet.observations import NotTaken
from reference_impl.subnet.outside_world import DeterministicWorld, Later, OutsideCall
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.state.label import Label
from spec.state.message import CallMessage
from spec.values.containers import List
from spec.values.identifiers import Principal, Text, principal_to_text
from spec.values.management import HttpHeader, HttpRequestArguments, HttpResponse, decode_arguments
from spec.values.quantities import NANOSECONDS_PER_SECOND, Count, Nanoseconds
from spec.values.rejects import RejectCode

HTTP_REQUEST: Final = "http_request"
PATIENCE: Final[Nanoseconds] = 300 * NANOSECONDS_PER_SECOND
"""So long an outcall waits for its answer. Source: production, the time-out of outcalls."""
LONGEST_REJECT: Final = 1024
"""Bytes of the message with which an outcall is rejected."""


@frozen
class Rejected:
    """A node says that the outcall failed."""

    code: RejectCode
    message: Text


Told = HttpResponse | Rejected
"""What one node has of a server."""


class OutcallsWait(DeterministicWorld):
    """A world in which outcalls are answered by whoever looks at them, and everything else is deterministic."""

    def __init__(self) -> None:
        self._since: dict[int, Nanoseconds] = {}
        """Since when each outcall waits, by the id of its message."""

    def answer(self, call: OutsideCall) -> Mapping[Text, Any] | RejectCode | Later:
        """Outcalls wait."""
        return Later() if call.method_name == HTTP_REQUEST else super().answer(call)

    def give_up(self, engine: Engine) -> None:
        """Outcalls that have waited too long fail."""
        now = engine.instance.system_time
        waiting = dict(waiting_outcalls(engine.instance))
        self._since = {message_id: self._since.get(message_id, now) for message_id in waiting}
        for message_id, since in self._since.items():
            if since + PATIENCE <= now:
                fail(engine, message_id, Rejected(RejectCode.SYS_TRANSIENT, "Canister http request timed out"))


def waiting_outcalls(instance: SubnetInstance) -> list[tuple[int, CallMessage]]:
    """The outcalls that have left the subnet and are not answered."""
    return [
        (message_id, message)
        for message_id in instance.messages.away
        if isinstance(message := instance.messages[message_id], CallMessage) and message.method_name == HTTP_REQUEST
    ]


def arguments_of(message: CallMessage) -> HttpRequestArguments:
    """What an outcall asks."""
    arguments = decode_arguments(HTTP_REQUEST, message.argument)
    assert isinstance(arguments, HttpRequestArguments), "only what can be read leaves the subnet"
    return arguments


def shown_outcalls(instance: SubnetInstance) -> Json:
    """The outcalls that wait, as clients see them."""
    return [_shown(instance, message_id, message) for message_id, message in waiting_outcalls(instance)]


def _shown(instance: SubnetInstance, message_id: int, message: CallMessage) -> Json:
    asked = arguments_of(message)
    return {
        "subnet_id": {"subnet_id": base64_of(instance.home_of(message).subnet_id)},
        "request_id": message_id,
        "http_method": asked.method.name,
        "url": asked.url,
        "headers": [{"name": one.name, "value": one.value} for one in asked.headers],
        "body": base64_of(asked.body or b""),
        "max_response_bytes": asked.max_response_bytes,
        "replication": "NonReplicated" if asked.is_replicated is False else "FullyReplicated",
        "pricing_version": "Legacy",
    }


def mock(engine: Engine, body: Json) -> None:
    """Answers an outcall. Raises `Refused` if there is none such, or the answers do not fit it."""
    fields = fields_of(body)
    subnet_id = nested_principal_of(fields, "subnet_id", "subnet id")
    request_id = number_of(fields, "request_id")
    answers = [_told(fields.get("response"))]
    further = [_told(one) for one in list_of(fields, "additional_responses")]
    message = _outcall(engine.instance, subnet_id, request_id)
    nodes = engine.instance.network[subnet_id].subnet.subnet_size
    if further and len(answers) + len(further) != nodes:
        raise Refused(f"InvalidMockCanisterHttpResponses(({len(answers) + len(further)}, {nodes}))")
    give(engine, request_id, arguments_of(message), answers + further)


def give(engine: Engine, request_id: int, asked: HttpRequestArguments, answers: list[Told]) -> None:
    """An outcall that waits is answered with what its nodes have of the server, as the canister transforms it."""
    made = [one if isinstance(one, Rejected) else transformed(engine.instance, asked, one) for one in answers]
    agreed = _agreed([Rejected(RejectCode.CANISTER_ERROR, one) if isinstance(one, str) else one for one in made])
    if isinstance(agreed, HttpResponse):
        outcome = engine.take(Label(HTTP_REQUEST, {"message_id": request_id, "answer": agreed}))
        if isinstance(outcome, NotTaken):
            agreed = Rejected(RejectCode.SYS_FATAL, "Http body exceeds size limit of the request.")
    if isinstance(agreed, Rejected):
        fail(engine, request_id, agreed)
    engine.explain()


def _outcall(instance: SubnetInstance, subnet_id: Principal, request_id: int) -> CallMessage:
    for message_id, message in waiting_outcalls(instance):
        if message_id == request_id and instance.home_of(message).subnet_id == subnet_id:
            return message
    raise Refused(f"InvalidCanisterHttpRequestId(({principal_to_text(subnet_id)}, {request_id}))")


def _agreed(answers: list[Told]) -> Told:
    """What more than two thirds of the nodes have."""
    for one in answers:
        same: Count = sum(1 for other in answers if other == one)
        if 3 * same > 2 * len(answers):
            return one
    return Rejected(RejectCode.SYS_TRANSIENT, "No consensus could be reached. Replicas had different responses.")


def _told(body: Json) -> Told:
    case, content = case_of(body, "response")
    fields = fields_of(content, case)
    match case:
        case "CanisterHttpReply":
            headers = List(tuple(_headers(list_of(fields, "headers"))))
            return HttpResponse(number_of(fields, "status", 16), headers, blob_of(fields, "body"))
        case "CanisterHttpReject":
            return _rejected(fields)
    raise Refused(f"{case} is no answer to an outcall")


def _headers(given: list[Json]) -> Iterable[HttpHeader]:
    for one in given:
        fields = fields_of(one, "headers")
        yield HttpHeader(text_of(fields, "name"), text_of(fields, "value"))


def _rejected(fields: Fields) -> Rejected:
    code, message = number_of(fields, "reject_code"), text_of(fields, "message")
    if code not in tuple(RejectCode):
        raise Refused(f"InvalidRejectCode({code})")
    if len(message.encode()) > LONGEST_REJECT:
        raise Refused(f"The reject message is longer than {LONGEST_REJECT} bytes.")
    return Rejected(RejectCode(code), message)


def fail(engine: Engine, message_id: int, rejected: Rejected) -> None:
    """The outcall fails, and its caller is told so in these words."""
    # Invariant: to the transition SYS_UNKNOWN is no failure; it says that nobody knows what became of the call.
    code = RejectCode.SYS_TRANSIENT if rejected.code is RejectCode.SYS_UNKNOWN else rejected.code
    response_id = engine.instance.messages.next_id
    outcome = engine.take(Label("outside_call_failure", {"message_id": message_id, "code": int(code)}))
    assert not isinstance(outcome, NotTaken), f"an outcall that waits can fail: {outcome}"
    engine.instance.reject_texts[response_id] = rejected.message
