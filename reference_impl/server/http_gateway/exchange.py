"""
What the gateway and a canister tell each other: a request for a page, a response, and what streams after it.

Source: http-gateway, the canister HTTP interface.
"""

from typing import Final

from attrs import frozen

from spec.values.candid import (
    BLOB,
    CandidError,
    CandidType,
    CandidValue,
    Case,
    Definitions,
    Func,
    FunctionAnnotation,
    FunctionReference,
    Message,
    Opt,
    Primitive,
    Record,
    Some,
    Variant,
    Vec,
    decode,
    encode,
    field_id,
    read_as_sent,
    resolved,
)
from spec.values.identifiers import Blob, CanisterId, MethodName, Text

Headers = tuple[tuple[Text, Text], ...]

CERTIFICATE: Final = "ic-certificate"
EXPRESSION: Final = "ic-certificateexpression"
"""The headers by which a canister certifies its response. Their places are fixed: an expression names neither."""
NEWEST_VERSION: Final = 2
"""The version of response verification that canisters are asked for."""

_HEADERS: Final = Vec(Record([(0, Primitive.TEXT), (1, Primitive.TEXT)]))
_UPDATE_REQUEST: Final[dict[Text, CandidType]] = {
    "method": Primitive.TEXT,
    "url": Primitive.TEXT,
    "headers": _HEADERS,
    "body": BLOB,
}
_REQUEST: Final = Record({**_UPDATE_REQUEST, "certificate_version": Opt(Primitive.NAT16)})
_RESPONSE: Final = Record(
    {"status_code": Primitive.NAT16, "headers": _HEADERS, "body": BLOB, "upgrade": Opt(Primitive.BOOL)}
)
_PIECE: Final = Record({"body": BLOB})


@frozen
class PageRequest:
    """A request for a page."""

    method: Text
    url: Text
    """As in the first line of the request: the path, and the query if there is one."""
    headers: Headers
    body: Blob

    def argument(self) -> Blob:
        """The argument of `http_request`."""
        return encode((_REQUEST,), ({**self._fields(), "certificate_version": Some(NEWEST_VERSION)},))

    def update_argument(self) -> Blob:
        """The argument of `http_request_update`."""
        return encode((Record(_UPDATE_REQUEST),), (self._fields(),))

    def _fields(self) -> dict[Text, CandidValue]:
        headers = tuple({0: name, 1: value} for name, value in self.headers)
        return {"method": self.method, "url": self.url, "headers": headers, "body": self.body}


@frozen
class Token:
    """A value of a type that the canister chose, which goes back to it as it came."""

    kind: CandidType
    value: CandidValue
    definitions: Definitions

    def argument(self) -> Blob:
        """The argument of the callback."""
        return encode((self.kind,), (self.value,), self.definitions)


@frozen
class Callback:
    """Who is asked for the next piece of a body."""

    canister_id: CanisterId
    method_name: MethodName
    token: Token


@frozen
class PageResponse:
    """What a canister answers."""

    status: int
    headers: Headers
    body: Blob
    is_upgraded: bool = False
    """The request is to be made again as an update."""
    callback: Callback | None = None
    """There are more pieces of the body."""

    def header(self, wanted: Text) -> Text | None:
        """The value of the first header with a name, in whatever case."""
        return next((value for name, value in self.headers if name.lower() == wanted.lower()), None)


class NoResponse(Exception):
    """The canister replied with something else. The message is one line."""


def response_of(reply: Blob) -> PageResponse:
    """The response in the reply of a canister. Raises `NoResponse`."""
    read = decode((_RESPONSE,), reply)
    message = read_as_sent(reply)
    if isinstance(read, CandidError) or isinstance(message, CandidError):
        because = read.because if isinstance(read, CandidError) else "it is no Candid"
        raise NoResponse(f"its reply is no HttpResponse: {because}")
    (fields,) = read
    headers = tuple((one[0], one[1]) for one in fields["headers"])
    return PageResponse(
        fields["status_code"], headers, fields["body"], fields["upgrade"] == Some(True), _callback_of(message)
    )


def piece_of(reply: Blob) -> tuple[Blob, Token | None]:
    """A piece of a body, and what to ask with for the next one. Raises `NoResponse`."""
    read = decode((_PIECE,), reply)
    message = read_as_sent(reply)
    if isinstance(read, CandidError) or isinstance(message, CandidError):
        raise NoResponse("the reply of its callback is no StreamingCallbackHttpResponse")
    kind, value = _content(message, _first_field(message, "token"))
    return read[0]["body"], None if kind is None else Token(kind, value, message.definitions)


def _callback_of(message: Message) -> Callback | None:
    """The field `streaming_strategy`, whose token may have any type."""
    kind, chosen = _content(message, _first_field(message, "streaming_strategy"))
    if kind is None:
        return None
    match kind, chosen:
        case Variant(fields=cases), Case(label=label, value=content) if label == field_id("Callback"):
            inner = resolved(dict(cases)[label], message.definitions)
            if isinstance(inner, Record):
                return _callback(message, inner, content)
    raise NoResponse("its streaming strategy is no callback")


def _callback(message: Message, kind: Record, content: CandidValue) -> Callback:
    kinds = {field_id(label): resolved(one, message.definitions) for label, one in kind.fields}
    callback, token = field_id("callback"), field_id("token")
    match kinds.get(callback), content.get(callback):
        case Func(annotations=annotations), FunctionReference(principal=owner, method_name=name) if (
            FunctionAnnotation.QUERY in annotations and token in kinds
        ):
            given = Token(dict(kind.fields)[token], content[token], message.definitions)
            return Callback(CanisterId(owner), name, given)
    raise NoResponse("its callback is no query method")


def _first_field(message: Message, name: Text) -> tuple[CandidType | None, CandidValue]:
    """The type and the value of a field of the record that a message is; None for the type if there is no such."""
    kind = resolved(message.types[0], message.definitions) if message.types else None
    if isinstance(kind, Record):
        for label, one in kind.fields:
            if field_id(label) == field_id(name):
                return resolved(one, message.definitions), message.values[0][label]
    return None, None


def _content(message: Message, field: tuple[CandidType | None, CandidValue]) -> tuple[CandidType | None, CandidValue]:
    """What an option holds; None for the type if it holds nothing."""
    kind, value = field
    if isinstance(kind, Opt) and isinstance(value, Some):
        return resolved(kind.content, message.definitions), value.value
    return None, None
