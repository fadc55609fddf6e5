"""Certified websites, made by hand: requests, responses, and whether a gateway passes them on."""

import base64
import gzip
import hashlib
from typing import Any

import cbor2
from attrs import evolve, field, frozen

from reference_impl.certification.hash_trees import hash_of, shown, tree_of
from reference_impl.certification.signing import OTHER, ROOT, Delegation, Signer, certificate_of
from reference_impl.server.http_gateway.exchange import PageRequest, PageResponse
from reference_impl.server.http_gateway.expressions import CoveredRequest, CoveredResponse
from reference_impl.server.http_gateway.hashing import request_hash, response_hash
from spec.values.identifiers import CanisterId
from spec.values.leb128 import encode_unsigned

NOW = 1_700_000_000_000_000_000
SECOND = 10**9
CANISTER = CanisterId(bytes([0, 0, 0, 0, 0, 0, 0, 7, 1, 1]))
ELSEWHERE = CanisterId(bytes([0, 0, 0, 0, 0, 0, 0, 99, 1, 1]))
TYPE = ("content-type", "text/plain")
RESPONSE = "response_certification:ResponseCertification{certified_response_headers:ResponseHeaderList{headers:["
OF_RESPONSE = (
    "default_certification(ValidationArgs{certification:Certification{no_request_certification:Empty{},"
    + RESPONSE
    + '"content-type"]}}}})'
)
OF_BOTH = (
    "default_certification(ValidationArgs{certification:Certification{request_certification:RequestCertification{"
    'certified_request_headers:["x-language"],certified_query_parameters:["q"]},' + RESPONSE + '"content-type"]}}}})'
)
EXCLUDING = (
    "default_certification(ValidationArgs{certification:Certification{no_request_certification:Empty{},"
    'response_certification:ResponseCertification{response_header_exclusions:ResponseHeaderList{headers:["date"]}}}})'
)
OF_NOTHING = "default_certification(ValidationArgs{no_certification:Empty{}})"
COVERED = CoveredResponse(frozenset({"content-type"}), are_excluded=False)
ALL_BUT_THE_DATE = CoveredResponse(frozenset({"date"}), are_excluded=True)
COVERED_REQUEST = CoveredRequest(frozenset({"x-language"}), ("q",))


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def nested(paths: dict[tuple[bytes, ...], bytes]) -> dict[bytes, Any]:
    """The content of a tree."""
    whole: dict[bytes, Any] = {}
    for path, value in paths.items():
        under = whole
        for label in path[:-1]:
            under = under.setdefault(label, {})
        under[path[-1]] = value
    return whole


def labels(*segments: str) -> tuple[bytes, ...]:
    return tuple(one.encode() for one in segments)


def described(item: object) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(55799, item))


@frozen
class Site:
    """A certified answer; each field is a thing that can be otherwise."""

    request: PageRequest = PageRequest("GET", "/page", (("host", "x.localhost"),), b"")
    response: PageResponse = PageResponse(200, (TYPE,), b"the page")
    expression: str = OF_RESPONSE
    path: tuple[str, ...] = ("http_expr", "page", "<$>")
    entries: dict[tuple[bytes, ...], bytes] | None = None
    """What is in the tree; by default the answer, under its path."""
    others: dict[tuple[bytes, ...], bytes] = field(factory=dict)
    """What is in the tree besides."""
    revealed: tuple[tuple[bytes, ...], ...] = ((),)
    """The paths of the tree that are shown."""
    time: int = NOW
    signer: Signer = ROOT
    delegation: Delegation | None = None
    certified_data: bytes | None = None
    members: tuple[str, ...] = ("certificate", "tree", "version=2", "expr_path")

    def entry(self) -> dict[tuple[bytes, ...], bytes]:
        """The answer in the tree."""
        here = (*labels(*self.path), sha256(self.expression.encode()))
        answered = evolve(
            self.response, headers=(*self.response.headers, ("IC-CertificateExpression", self.expression))
        )
        if self.expression == OF_NOTHING:
            return {here: b""}
        covered = ALL_BUT_THE_DATE if self.expression == EXCLUDING else COVERED
        asked = request_hash(self.request, COVERED_REQUEST) if self.expression == OF_BOTH else b""
        return {(*here, asked, response_hash(answered, covered)): b""}

    def answered(self) -> PageResponse:
        """The response with the headers that prove it."""
        whole = tree_of(nested({**(self.entry() if self.entries is None else self.entries), **self.others}))
        item = shown(whole, self.revealed)
        assert hash_of(item) == whole.hash
        state = {
            b"canister": {CANISTER: {b"certified_data": self.certified_data or whole.hash}},
            b"time": encode_unsigned(self.time),
        }
        certificate = certificate_of(tree_of(state), [()], self.signer, self.delegation)
        values = {"certificate": certificate, "tree": described(item), "expr_path": described(list(self.path))}
        told = [f"{one}=:{base64.b64encode(values[one]).decode()}:" if one in values else one for one in self.members]
        proof = (("IC-Certificate", ", ".join(told)), ("IC-CertificateExpression", self.expression))
        return evolve(self.response, headers=(*self.response.headers, *proof))


@frozen
class Case:
    """A request and an answer to it."""

    name: str
    request: PageRequest
    response: PageResponse
    is_certified: bool


def delegation(*ranges: tuple[bytes, bytes]) -> Delegation:
    """What the root subnet says of another one with these canisters."""
    listed = described([list(one) for one in ranges])
    subnet = {b"public_key": OTHER.public_key, b"type": b"application", b"canister_ranges": listed}
    content = {
        b"subnet": {OTHER.subnet_id: subnet},
        b"canister_ranges": {OTHER.subnet_id: {ranges[0][0]: listed}},
        b"time": encode_unsigned(NOW),
    }
    return Delegation(OTHER.subnet_id, certificate_of(tree_of(content), [()], ROOT))


SITE = Site()
ROOT_WILDCARD = Site(path=("http_expr", "<*>"))
DEEP = PageRequest("GET", "/a/b", (), b"")
LEGACY = Site(
    members=("certificate", "tree"),
    path=(),
    entries={labels("http_assets", "/page"): sha256(b"the page"), labels("http_assets", "/index.html"): sha256(b"all")},
)
ASKED = PageRequest("GET", "/page?x=1&q=a&q=b", (("X-Language", "Motoko"), ("other", "1")), b"body")
BOTH = Site(expression=OF_BOTH, request=ASKED)
NOTHING = {labels("http_expr", "other", "<$>"): b""}


def right() -> dict[str, Site]:
    """Answers that are passed on."""
    return {
        "a page": SITE,
        "a header that is not covered": evolve(SITE, response=PageResponse(200, (TYPE, ("date", "now")), b"the page")),
        "a header twice": evolve(SITE, response=PageResponse(200, (TYPE, TYPE), b"the page")),
        "all headers but one": evolve(
            SITE, expression=EXCLUDING, response=PageResponse(404, (TYPE, ("x-other", "1"), ("date", "now")), b"")
        ),
        "the rest of the tree hidden": evolve(SITE, others=NOTHING, revealed=(labels(*SITE.path),)),
        "a wildcard at the root": evolve(ROOT_WILDCARD, request=DEEP, others=NOTHING),
        "a wildcard below": Site(path=("http_expr", "a", "<*>"), request=DEEP, others=NOTHING),
        "a wildcard of a folder": Site(path=("http_expr", "a", "", "<*>"), request=DEEP),
        "a folder": Site(path=("http_expr", "a", "", "<$>"), request=PageRequest("GET", "/a/", (), b"")),
        "the root": Site(path=("http_expr", "", "<$>"), request=PageRequest("GET", "/", (), b"")),
        "a path with a space": Site(path=("http_expr", "a b", "<$>"), request=PageRequest("GET", "/a%20b?c", (), b"")),
        "a wildcard with only what proves it": evolve(
            ROOT_WILDCARD,
            request=DEEP,
            others={labels("http_expr", "z", "<$>", "x"): b""},
            revealed=(labels("http_expr", "<*>"), labels("http_expr", "a"), labels("http_expr", "")),
        ),
        "no certification": evolve(SITE, expression=OF_NOTHING),
        "a request that is covered": BOTH,
        "a certificate that is almost old": evolve(SITE, time=NOW - 300 * SECOND),
        "a certificate that is a little ahead": evolve(SITE, time=NOW + 300 * SECOND),
        "a delegated certificate": evolve(SITE, signer=OTHER, delegation=delegation((CANISTER, ELSEWHERE))),
        "the legacy version": LEGACY,
        "the legacy version named": evolve(LEGACY, members=("certificate", "tree", "version=1")),
        "the legacy fallback": evolve(
            LEGACY, request=PageRequest("GET", "/none", (), b""), response=PageResponse(200, (), b"all")
        ),
        "the legacy version of a compressed page": evolve(
            LEGACY, response=PageResponse(200, (("Content-Encoding", "gzip"),), gzip.compress(b"the page", mtime=0))
        ),
        "fields in another order": evolve(SITE, members=("expr_path", "version=2", "tree", "certificate")),
    }


def wrong() -> dict[str, Site]:
    """Answers that are not passed on, for what is in the tree or in the certificate."""
    exact = {(*labels("http_expr", "a", "b", "<$>"), bytes(32)): b""}
    deeper = {(*labels("http_expr", "a", "<*>"), bytes(32)): b""}
    return {
        "an exact path is in the tree": evolve(ROOT_WILDCARD, request=DEEP, others=exact),
        "an exact path may be in the tree": evolve(
            ROOT_WILDCARD, request=DEEP, others=exact, revealed=(labels("http_expr", "<*>"),)
        ),
        "a better wildcard is in the tree": evolve(ROOT_WILDCARD, request=DEEP, others=deeper),
        "a better wildcard is hidden": evolve(
            ROOT_WILDCARD,
            request=DEEP,
            others={**deeper, **exact},
            revealed=(labels("http_expr", "<*>"), labels("http_expr", "a", "a")),
        ),
        "the path of another page": evolve(SITE, request=PageRequest("GET", "/other", (), b"")),
        "the wildcard of other pages": evolve(SITE, path=("http_expr", "other", "<*>")),
        "a page instead of the folder": evolve(SITE, request=PageRequest("GET", "/page/", (), b"")),
        "a path with another beginning": evolve(SITE, path=("http_assets", "page", "<$>")),
        "a path without an ending": evolve(SITE, path=("http_expr", "page")),
        "an old certificate": evolve(SITE, time=NOW - 301 * SECOND),
        "a certificate of the future": evolve(SITE, time=NOW + 301 * SECOND),
        "a certificate by somebody else": evolve(SITE, signer=OTHER),
        "a certificate of other data": evolve(SITE, certified_data=bytes(32)),
        "a delegation for other canisters": evolve(SITE, signer=OTHER, delegation=delegation((ELSEWHERE, ELSEWHERE))),
        "something where nothing should be": evolve(SITE, entries=dict.fromkeys(SITE.entry(), b"x")),
        "another version": evolve(SITE, members=("certificate", "tree", "version=3", "expr_path")),
        "no certificate": evolve(SITE, members=("tree", "version=2", "expr_path")),
        "no tree": evolve(SITE, members=("certificate", "version=2", "expr_path")),
        "no path": evolve(SITE, members=("certificate", "tree", "version=2")),
        "the wrong legacy body": evolve(LEGACY, response=PageResponse(200, (), b"another page")),
        "a legacy page in the place of the fallback": evolve(LEGACY, request=PageRequest("GET", "/none", (), b"")),
    }


def changed() -> list[Case]:
    """Answers that are not passed on, for what came instead of what is certified."""

    def instead(name: str, site: Site, **others: Any) -> Case:
        answered = site.answered()
        asked = others.pop("request", site.request)
        return Case(name, asked, evolve(answered, **others), is_certified=False)

    def without(site: Site, gone: str, *new: tuple[str, str]) -> tuple[tuple[str, str], ...]:
        return (*(one for one in site.answered().headers if one[0] != gone), *new)

    excluding = evolve(SITE, expression=EXCLUDING)
    return [
        instead("another body", SITE, body=b"another page"),
        instead("another status", SITE, status=201),
        instead("another header", SITE, headers=without(SITE, "content-type", ("content-type", "text/html"))),
        instead("a header less", SITE, headers=without(SITE, "content-type")),
        instead("a header more", excluding, headers=(*excluding.answered().headers, ("set-cookie", "a=b"))),
        instead("no proof", SITE, headers=without(SITE, "IC-Certificate")),
        instead("no expression", SITE, headers=without(SITE, "IC-CertificateExpression")),
        instead(
            "another expression",
            SITE,
            headers=without(SITE, "IC-CertificateExpression", ("IC-CertificateExpression", OF_NOTHING)),
        ),
        instead("another method", BOTH, request=evolve(ASKED, method="POST")),
        instead("another parameter", BOTH, request=evolve(ASKED, url="/page?q=a&q=c")),
        instead("parameters in another order", BOTH, request=evolve(ASKED, url="/page?q=b&q=a")),
        instead("another language", BOTH, request=evolve(ASKED, headers=(("x-language", "Rust"),))),
        instead("another body of the request", BOTH, request=evolve(ASKED, body=b"other")),
    ]


def cases() -> list[Case]:
    """All of them."""
    told = [Case(name, site.request, site.answered(), is_certified=True) for name, site in right().items()]
    others = evolve(ASKED, url="/page?q=a&y=2&q=b", headers=(("x-language", "Motoko"), ("other", "2")))
    told.append(Case("what is not covered differs", others, BOTH.answered(), is_certified=True))
    told += [Case(name, site.request, site.answered(), is_certified=False) for name, site in wrong().items()]
    return told + changed()
