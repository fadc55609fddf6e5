"""
The hashes under which requests and responses stand in the tree of a canister.

Source: http-gateway, request and response hash calculation.
"""

import hashlib
from collections.abc import Iterable

from reference_impl.server.http_gateway.exchange import CERTIFICATE, EXPRESSION, Headers, PageRequest, PageResponse
from reference_impl.server.http_gateway.expressions import CoveredRequest, CoveredResponse
from spec.values.identifiers import Blob, Text
from spec.values.request_id import HashedValue, hash_of_value


def digest(content: Blob) -> Blob:
    """SHA-256."""
    return hashlib.sha256(content).digest()


def covered_headers(response: PageResponse, covered: CoveredResponse) -> Headers:
    """The headers of a response that its certificate covers."""
    return tuple(
        (name, value)
        for name, value in response.headers
        if name.lower() == EXPRESSION or (name.lower() != CERTIFICATE and covered.covers(name))
    )


def response_hash(response: PageResponse, covered: CoveredResponse) -> Blob:
    """The hash of a response."""
    pairs: list[tuple[Text, HashedValue]] = [
        (name.lower(), value) for name, value in covered_headers(response, covered)
    ]
    return digest(_hash_of_pairs([*pairs, (":ic-cert-status", response.status)]) + digest(response.body))


def request_hash(request: PageRequest, covered: CoveredRequest) -> Blob:
    """The hash of a request."""
    pairs: list[tuple[Text, HashedValue]] = [
        (name.lower(), value) for name, value in request.headers if name.lower() in covered.headers
    ]
    pairs.append((":ic-cert-method", request.method))
    query = _covered_query(request.url, covered.parameters)
    if query is not None:
        pairs.append((":ic-cert-query", query))
    return digest(_hash_of_pairs(pairs) + digest(request.body))


def _covered_query(url: Text, names: tuple[Text, ...]) -> Text | None:
    """
    The parameters of a query that are covered, as they stand there; None if there are none.

    The text wants the hash of this string in the header; all implementations of it put the string itself, which is
    hashed as any value is, and leave the header out if there are none.
    """
    wanted = {name.lower() for name in names}
    kept = [part for part in url.partition("?")[2].split("&") if part.split("=")[0].lower() in wanted]
    return "&".join(kept) if kept else None


def _hash_of_pairs(pairs: Iterable[tuple[Text, HashedValue]]) -> Blob:
    """The representation-independent hash of a map in which a name may be there more than once."""
    return digest(b"".join(sorted(hash_of_value(name) + hash_of_value(value) for name, value in pairs)))
