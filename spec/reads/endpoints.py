"""
The endpoints of the HTTPS interface: under which paths requests are sent. Source: https-interface, HTTPS interface.

What is answered is said elsewhere: `call_answer`, `query`, `read_state` and `status`.
"""

from typing import Final

from attrs import frozen

from spec.certification.envelope import RequestKind
from spec.state.request import Endpoint
from spec.values.checklist import defines
from spec.values.identifiers import Principal, Text, principal_to_text


@frozen
@defines("http.transport")
class HttpEndpoint:
    """Where requests of one kind are sent, as the body of a POST request: an envelope in CBOR."""

    version: Text
    addressed: Endpoint
    """Whether the path names a canister or a subnet."""
    kind: RequestKind
    is_deprecated: bool = False

    def path(self, effective_id: Principal) -> Text:
        """The path, with the effective id in its textual form."""
        addressed, shown = self.addressed.value, principal_to_text(effective_id)
        return f"/api/{self.version}/{addressed}/{shown}/{self.kind.value}"


STATUS_PATH: Final = "/api/v2/status"
"""The one path for GET requests, which have no body."""

ENDPOINTS: Final = (
    HttpEndpoint("v2", Endpoint.CANISTER, RequestKind.CALL),
    HttpEndpoint("v3", Endpoint.CANISTER, RequestKind.CALL, is_deprecated=True),
    HttpEndpoint("v4", Endpoint.CANISTER, RequestKind.CALL),
    HttpEndpoint("v4", Endpoint.SUBNET, RequestKind.CALL),
    HttpEndpoint("v2", Endpoint.CANISTER, RequestKind.READ_STATE, is_deprecated=True),
    HttpEndpoint("v2", Endpoint.SUBNET, RequestKind.READ_STATE, is_deprecated=True),
    HttpEndpoint("v3", Endpoint.CANISTER, RequestKind.READ_STATE),
    HttpEndpoint("v3", Endpoint.SUBNET, RequestKind.READ_STATE),
    HttpEndpoint("v2", Endpoint.CANISTER, RequestKind.QUERY, is_deprecated=True),
    HttpEndpoint("v3", Endpoint.CANISTER, RequestKind.QUERY),
    HttpEndpoint("v3", Endpoint.SUBNET, RequestKind.QUERY),
)
"""
All of them. Checklist: `http.endpoint.call-v2-canister`, `http.endpoint.call-v3-canister`,
`http.endpoint.call-v4-canister`, `http.endpoint.call-v4-subnet`, `http.endpoint.read-state-v2-canister`,
`http.endpoint.read-state-v2-subnet`, `http.endpoint.read-state-v3-canister`, `http.endpoint.read-state-v3-subnet`,
`http.endpoint.query-v2-canister`, `http.endpoint.query-v3-canister`.
"""
