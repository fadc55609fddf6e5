"""
Whether a canister certifies what it answered. Source: http-gateway, response verification and its legacy version.

The canister's certified data is the hash of a tree. Under the path of the page this tree has the hash of the response,
and of the request where that matters; it shows too that there is nothing under any path that fits the page better.
"""

import zlib
from typing import Final
from urllib.parse import unquote

from attrs import evolve, frozen

from reference_impl.authentication.certificates import certifies_for, is_valid, value_at
from reference_impl.authentication.lookups import Found, Missing, looked_up
from reference_impl.server.http_gateway.certificate_header import (
    LEGACY_VERSION,
    NoCertificate,
    Proof,
    proof_in,
)
from reference_impl.server.http_gateway.exchange import (
    CERTIFICATE,
    EXPRESSION,
    NEWEST_VERSION,
    PageRequest,
    PageResponse,
)
from reference_impl.server.http_gateway.expressions import NoExpression, NothingCovered, coverage_of
from reference_impl.server.http_gateway.hashing import (
    covered_headers,
    digest,
    request_hash,
    response_hash,
)
from spec.values.identifiers import Blob, CanisterId, Text
from spec.values.quantities import NANOSECONDS_PER_SECOND, ByteCount, Nanoseconds

RECENT: Final[Nanoseconds] = 300 * NANOSECONDS_PER_SECOND
"""So much older or younger than the present a certificate may be."""
EXPRESSIONS: Final = "http_expr"
EXACT, WILDCARD = "<$>", "<*>"
FILES: Final = b"http_assets"
FALLBACK: Final = b"/index.html"
LARGEST_DECODED: Final[ByteCount] = 256 << 20
"""A body is not unpacked further."""


@frozen
class Trust:
    """What a certificate is checked against."""

    canister_id: CanisterId
    root_key: Blob
    """In DER."""
    now: Nanoseconds
    may_be_legacy: bool = True
    """The canister is not known to certify in the newest version."""


class NotCertified(Exception):
    """The answer is not what the canister certifies. The message is one line."""


def certified(request: PageRequest, response: PageResponse, trust: Trust) -> PageResponse:
    """The answer, without what its certificate does not cover. Raises `NotCertified`."""
    header = response.header(CERTIFICATE)
    if header is None:
        raise NotCertified("it has no header IC-Certificate")
    try:
        proof = proof_in(header)
    except NoCertificate as problem:
        raise NotCertified(f"its header IC-Certificate cannot be read: {problem}") from None
    _require_certificate(proof, trust)
    if proof.version == LEGACY_VERSION:
        return _certified_by_path(request, response, proof, trust)
    if proof.version == NEWEST_VERSION:
        return _certified_by_expression(request, response, proof)
    raise NotCertified("it is certified in a version that there is not")


def _require_certificate(proof: Proof, trust: Trust) -> None:
    """The certificate is the network's, of now, and has the hash of the tree as what the canister certifies."""
    certificate, tree = proof.certificate, proof.read_tree
    if certificate.delegation is not None and not certifies_for(certificate.delegation, trust.canister_id):
        raise NotCertified("its certificate is that of a subnet which has no such canister")
    if not is_valid(certificate, trust.root_key):
        raise NotCertified("the signature of its certificate is wrong")
    time = _number(value_at(certificate.tree, b"time"))
    if time is None or abs(trust.now - time) > RECENT:
        raise NotCertified("its certificate is not of now")
    if not certificate.tree.is_well_formed or not tree.is_well_formed:
        raise NotCertified("a tree in its certificate is not in order")
    if value_at(certificate.tree, b"canister", trust.canister_id, b"certified_data") != tree.hash:
        raise NotCertified("the canister certifies another tree")


def _number(encoded: Blob | None) -> int | None:
    """A number in LEB128."""
    if not encoded or encoded[-1] >= 0x80 or any(one < 0x80 for one in encoded[:-1]):
        return None
    return sum((one & 0x7F) << (7 * index) for index, one in enumerate(encoded))


# By expression


def _certified_by_expression(request: PageRequest, response: PageResponse, proof: Proof) -> PageResponse:
    path = proof.expression_path
    if path is None:
        raise NotCertified("its header IC-Certificate has no expr_path")
    expression = response.header(EXPRESSION)
    if expression is None:
        raise NotCertified("it has no header IC-CertificateExpression")
    try:
        coverage = coverage_of(expression)
    except NoExpression as problem:
        raise NotCertified(f"its header IC-CertificateExpression cannot be read: {problem}") from None
    _require_best_path(path, _path_of(request.url), proof)
    here = (*_labels(path), digest(expression.encode()))
    if isinstance(looked_up(proof.tree, here), Missing):
        raise NotCertified("the canister certifies another expression for its path")
    if isinstance(coverage, NothingCovered):
        return response
    asked = b"" if coverage.request is None else request_hash(request, coverage.request)
    found = looked_up(proof.tree, (*here, asked, response_hash(response, coverage.response)))
    if not isinstance(found, Found) or found.value != b"":
        raise NotCertified("the canister certifies another answer to this request")
    certificate = ((name, value) for name, value in response.headers if name.lower() == CERTIFICATE)
    return evolve(response, headers=(*covered_headers(response, coverage.response), *certificate))


def _path_of(url: Text) -> Text:
    """The path in an address, decoded."""
    return unquote(url.partition("?")[0], errors="replace")


def _segments(path: Text) -> tuple[Text, ...]:
    """The segments of a path; the last one is empty if it is that of a folder."""
    return (*filter(None, path.split("/")), *([""] if path.endswith("/") else []))


def _labels(path: tuple[Text, ...]) -> tuple[Blob, ...]:
    return tuple(one.encode() for one in path)


def _require_best_path(path: tuple[Text, ...], asked: Text, proof: Proof) -> None:
    """The path of the expression fits the page that was asked for, and the tree has none that fits better."""
    if len(path) < 2 or path[0] != EXPRESSIONS or path[-1] not in (EXACT, WILDCARD):
        raise NotCertified("its expr_path is no path of an expression")
    segments = _segments(asked)
    exact = (EXPRESSIONS, *segments, EXACT)
    if isinstance(looked_up(proof.tree, _labels(path)), Missing):
        raise NotCertified("its expr_path is not in the tree")
    if path == exact:
        return
    if path[-1] == EXACT:
        raise NotCertified("its expr_path is that of another page")
    inner = path[1:-1]
    if not _fits(inner, segments):
        raise NotCertified("its expr_path is that of other pages")
    for better in (exact, *((EXPRESSIONS, *one, WILDCARD) for one in _better(inner, segments))):
        if looked_up(proof.tree, _labels(better)) is not Missing.ABSENT:
            raise NotCertified(f"the tree does not show that there is nothing under /{'/'.join(better[1:])}")


def _fits(wildcard: tuple[Text, ...], segments: tuple[Text, ...]) -> bool:
    """The page is below this path. An empty segment at the end, that of a folder, need not be there."""
    below = wildcard[:-1] if wildcard[-1:] == ("",) else wildcard
    return segments[: len(wildcard)] == wildcard or segments[: len(below)] == below


def _better(wildcard: tuple[Text, ...], segments: tuple[Text, ...]) -> list[tuple[Text, ...]]:
    """The paths with a wildcard that fit the page better than this one, which does: from the longest."""
    found: list[tuple[Text, ...]] = []
    rest = segments
    while len(rest) > len(wildcard) or rest[-1:] != wildcard[-1:]:
        found.append(rest)
        rest = rest[:-1] if rest[-1:] == ("",) else (*rest[:-1], "")
    return found


# By path alone, the legacy version


def _certified_by_path(request: PageRequest, response: PageResponse, proof: Proof, trust: Trust) -> PageResponse:
    if not trust.may_be_legacy:
        raise NotCertified("the canister supports the newest version, and this is the legacy one")
    if 300 <= response.status < 400:
        raise NotCertified("the legacy version cannot certify that a page is elsewhere")
    path = _path_of(request.url).encode()
    found = looked_up(proof.tree, (FILES, path))
    if isinstance(found, Missing):
        found = looked_up(proof.tree, (FILES, FALLBACK))
    certified_hash = found.value if isinstance(found, Found) else None
    bodies = (_decoded(response), response.body)
    if certified_hash is None or all(body is None or digest(body) != certified_hash for body in bodies):
        raise NotCertified("the canister certifies another body for this path")
    return response


def _decoded(response: PageResponse) -> Blob | None:
    """The body without its compression; None if it is not compressed as the response says."""
    encoding = (response.header("content-encoding") or "identity").lower()
    bits = {"gzip": 31, "deflate": -15}.get(encoding)
    if bits is None:
        return response.body
    try:
        return zlib.decompressobj(bits).decompress(response.body, LARGEST_DECODED)
    except zlib.error:
        return None
