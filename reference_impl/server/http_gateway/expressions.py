"""
What a certificate of a page covers, as the header `IC-CertificateExpression` says.

Source: http-gateway, the certificate expression header. Space between the parts of an expression does not matter.
"""

import re
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from reference_impl.server.http_gateway.exchange import CERTIFICATE, EXPRESSION
from spec.values.identifiers import Text

TOKEN: Final = re.compile(r'\s*(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)|"(?P<text>[^\0\n"]*)"|(?P<sign>[(){}\[\]:,]))')
DEEPEST: Final = 16


class NoExpression(Exception):
    """The text is no such expression. The message is one line."""


@frozen
class Named:
    """A name with fields in braces, or with arguments in parentheses."""

    name: Text
    fields: "dict[Text, Term]"


Term = Text | list["Term"] | Named


@frozen
class CoveredRequest:
    """The parts of a request that are covered beside its method and its body. Names are in lower case."""

    headers: frozenset[Text]
    parameters: tuple[Text, ...]


@frozen
class CoveredResponse:
    """The headers of a response that are covered, or those that are not. Names are in lower case."""

    names: frozenset[Text]
    are_excluded: bool

    def covers(self, header: Text) -> bool:
        """The header is covered, beside those whose place is fixed."""
        return (header.lower() in self.names) is not self.are_excluded


@frozen
class Coverage:
    """What is covered."""

    request: CoveredRequest | None
    """None if the response stands for any request to this path."""
    response: CoveredResponse


@frozen
class NothingCovered:
    """The page is as uncertified as the canister wants it to be."""


def coverage_of(text: Text) -> Coverage | NothingCovered:
    """What an expression says. Raises `NoExpression`."""
    tokens = list(_tokens(text))
    reader = _Reader(tokens)
    whole = reader.term(DEEPEST)
    if reader.position != len(tokens):
        raise NoExpression("more follows the expression")
    arguments = _named(whole, "default_certification()").fields.get("")
    given = _named(arguments, "ValidationArgs").fields
    match given:
        case {"no_certification": nothing, **others} if not others:
            _empty(nothing)
            return NothingCovered()
        case {"certification": certification, **others} if not others:
            return _coverage(_named(certification, "Certification").fields)
    raise NoExpression("it says neither `certification` nor `no_certification`, or both")


def _coverage(fields: "dict[Text, Term]") -> Coverage:
    request: CoveredRequest | None
    match fields:
        case {"no_request_certification": nothing, "response_certification": response, **others} if not others:
            _empty(nothing)
            request = None
        case {"request_certification": asked, "response_certification": response, **others} if not others:
            request = _request(_named(asked, "RequestCertification").fields)
        case _:
            raise NoExpression("a certification covers a response, and covers a request or says that it does not")
    return Coverage(request, _response(_named(response, "ResponseCertification").fields))


def _request(fields: "dict[Text, Term]") -> CoveredRequest:
    if fields.keys() - {"certified_request_headers", "certified_query_parameters"}:
        raise NoExpression("a request has headers and query parameters alone")
    headers = _texts(fields.get("certified_request_headers", []))
    return CoveredRequest(
        frozenset(name.lower() for name in headers), tuple(_texts(fields.get("certified_query_parameters", [])))
    )


def _response(fields: "dict[Text, Term]") -> CoveredResponse:
    match fields:
        case {"certified_response_headers": listed, **others} if not others:
            are_excluded = False
        case {"response_header_exclusions": listed, **others} if not others:
            are_excluded = True
        case _:
            raise NoExpression("a response has either headers that are covered or headers that are not")
    given = _named(listed, "ResponseHeaderList").fields
    names = frozenset(name.lower() for name in _texts(given.get("headers", [])))
    if given.keys() - {"headers"} or names & {CERTIFICATE, EXPRESSION}:
        raise NoExpression("a list of headers names others than the certificate and its expression")
    return CoveredResponse(names, are_excluded)


def _named(term: "Term | None", name: Text) -> Named:
    if isinstance(term, Named) and term.name == name:
        return term
    raise NoExpression(f"{name} is not where it should be")


def _empty(term: Term) -> None:
    if _named(term, "Empty").fields:
        raise NoExpression("Empty has fields")


def _texts(term: Term) -> list[Text]:
    if isinstance(term, list) and all(isinstance(one, str) for one in term):
        return [one for one in term if isinstance(one, str)]
    raise NoExpression("a list of names is none")


# The syntax


def _tokens(text: Text) -> Iterator[tuple[Text, Text]]:
    position, end = 0, len(text.rstrip())
    while position < end:
        matched = TOKEN.match(text, position, end)
        if matched is None or matched.lastgroup is None:
            raise NoExpression(f"the character at {position} does not belong there")
        yield matched.lastgroup, matched[matched.lastgroup]
        position = matched.end()


class _Reader:
    """Reads terms from tokens."""

    def __init__(self, tokens: list[tuple[Text, Text]]) -> None:
        self.tokens = tokens
        self.position = 0

    def next(self, *wanted: Text) -> tuple[Text, Text]:
        """The next token, which is one of these signs if any are given."""
        if self.position == len(self.tokens):
            raise NoExpression("it ends too early")
        kind, text = self.tokens[self.position]
        if wanted and (kind != "sign" or text not in wanted):
            raise NoExpression(f"{text!r} does not belong there")
        self.position += 1
        return kind, text

    def ends(self, sign: Text) -> bool:
        """The next token is this sign, which is taken."""
        is_next = self.position < len(self.tokens) and self.tokens[self.position] == ("sign", sign)
        self.position += is_next
        return is_next

    def term(self, room: int) -> Term:
        """The next term, inside of which there may be others down to a depth."""
        if room == 0:
            raise NoExpression("it is nested too deeply")
        kind, text = self.next()
        if kind == "text":
            return text
        if (kind, text) == ("sign", "["):
            return self.listed(room - 1)
        if kind == "name":
            _, sign = self.next("{", "(")
            return self.called(text, room - 1) if sign == "(" else Named(text, self.fields(room - 1))
        raise NoExpression(f"{text!r} does not belong there")

    def called(self, name: Text, room: int) -> Named:
        """The one argument of a function."""
        argument = self.term(room)
        self.next(")")
        return Named(f"{name}()", {"": argument})

    def listed(self, room: int) -> list[Term]:
        """The terms of a list."""
        items: list[Term] = []
        while not self.ends("]"):
            if items:
                self.next(",")
            items.append(self.term(room))
        return items

    def fields(self, room: int) -> dict[Text, Term]:
        """The fields in braces."""
        fields: dict[Text, Term] = {}
        while not self.ends("}"):
            if fields:
                self.next(",")
            kind, name = self.next()
            if kind != "name" or name in fields:
                raise NoExpression(f"{name!r} is no name of a field, or one that was there")
            self.next(":")
            fields[name] = self.term(room)
        return fields
