"""HTTPS outcalls: arguments and results. Source: ic.did."""

from enum import Enum
from typing import Final

from attrs import field, frozen

from spec.values.candid import Func, FunctionAnnotation, FunctionReference, Record
from spec.values.containers import List
from spec.values.identifiers import Blob, MethodName, Principal, Text
from spec.values.management.shapes import (
    BLOB_SHAPE,
    BOOL,
    NAT,
    NAT64,
    TEXT,
    Shape,
    enumeration_shape,
    list_shape,
    optional_shape,
    record_shape,
)
from spec.values.quantities import ByteCount, Count


class HttpMethod(Enum):
    """The methods of HTTP that an outcall may use."""

    GET = "get"
    HEAD = "head"
    POST = "post"
    PUT = "put"
    DELETE = "delete"
    PATCH = "patch"


@frozen
class HttpHeader:
    """A header of a request or of a response."""

    name: Text
    value: Text


@frozen
class HttpResponse:
    """Result of `http_request`: the response, after the transformation if there is one."""

    status: Count
    headers: List[HttpHeader] = field(factory=List)
    body: Blob = b""


@frozen
class HttpTransform:
    """A query method that makes the responses of all nodes equal, and what it is given besides."""

    canister_id: Principal
    method_name: MethodName
    context: Blob = b""


@frozen
class HttpRequestArguments:
    """Argument of `http_request`."""

    url: Text
    method: HttpMethod = HttpMethod.GET
    max_response_bytes: ByteCount | None = None
    headers: List[HttpHeader] = field(factory=List)
    body: Blob | None = None
    transform: HttpTransform | None = None
    is_replicated: bool | None = None
    """None stands for true."""


HEADERS: Final = list_shape(record_shape(HttpHeader, {"name": TEXT, "value": TEXT}))

RESPONSE: Final = record_shape(HttpResponse, {"status": NAT, "headers": HEADERS, "body": BLOB_SHAPE})

FUNCTION: Final = Func(
    (Record({"response": RESPONSE.candid_type, "context": BLOB_SHAPE.candid_type}),),
    (RESPONSE.candid_type,),
    frozenset({FunctionAnnotation.QUERY}),
)

TRANSFORM: Final = Shape(
    Record({"function": FUNCTION, "context": BLOB_SHAPE.candid_type}),
    lambda value: HttpTransform(value["function"].principal, value["function"].method_name, value["context"]),
    lambda transform: {
        "function": FunctionReference(transform.canister_id, transform.method_name),
        "context": transform.context,
    },
)

ARGUMENTS: Final = {
    "http_request": record_shape(
        HttpRequestArguments,
        {
            "url": TEXT,
            "max_response_bytes": optional_shape(NAT64),
            "method": enumeration_shape(HttpMethod),
            "headers": HEADERS,
            "body": optional_shape(BLOB_SHAPE),
            "transform": optional_shape(TRANSFORM),
            "is_replicated": optional_shape(BOOL),
        },
    )
}

RESULTS: Final = {"http_request": RESPONSE}
