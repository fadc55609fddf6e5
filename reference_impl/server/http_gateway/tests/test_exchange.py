"""What canisters reply is read as a response, with a token of whatever type, or refused."""

import asyncio
from types import MappingProxyType

import pytest

from reference_impl.server.http_gateway.answers import passed_on
from reference_impl.server.http_gateway.exchange import NoResponse, PageRequest, PageResponse, piece_of, response_of
from reference_impl.server.http_gateway.pages import Failed, Pages
from reference_impl.server.http_gateway.targets import PageTarget
from reference_impl.server.http_gateway.tests.websites import CANISTER, ELSEWHERE
from spec.values.candid import (
    BLOB,
    Case,
    Func,
    FunctionAnnotation,
    FunctionReference,
    Opt,
    Primitive,
    Record,
    Some,
    Variant,
    Vec,
    decode,
    encode,
)
from spec.values.rejects import Reply

HEADERS = Vec(Record([(0, Primitive.TEXT), (1, Primitive.TEXT)]))
LEAST = {"status_code": Primitive.NAT16, "headers": HEADERS, "body": BLOB}
VALUES = {"status_code": 200, "headers": ({0: "a", 1: "b"},), "body": b"page"}
TOKEN = Record({"key": Primitive.TEXT, "parts": Vec(Primitive.NAT)})
VALUE = {"key": "k", "parts": (1, 2)}
QUERY = frozenset({FunctionAnnotation.QUERY})
ASKED = PageRequest("GET", "/", (), b"")


def streaming(canister_id=CANISTER, *, annotations=QUERY, name="Callback"):
    """A response of which there is more."""
    callback = Record({"callback": Func((TOKEN,), (), annotations), "token": TOKEN})
    kind = Record({**LEAST, "streaming_strategy": Opt(Variant({name: callback}))})
    chosen = Some(Case(name, {"callback": FunctionReference(canister_id, "more"), "token": VALUE}))
    return encode((kind,), ({**VALUES, "streaming_strategy": chosen},))


def test_the_least_response_is_one():
    assert response_of(encode((Record(LEAST),), (VALUES,))) == PageResponse(200, (("a", "b"),), b"page")


def test_a_token_goes_back_as_it_came():
    callback = response_of(streaming()).callback
    assert (callback.canister_id, callback.method_name) == (CANISTER, "more")
    assert decode((TOKEN,), callback.token.argument()) == (VALUE,)


def test_pieces_come_with_a_token_until_the_last_one():
    kind = Record({"body": BLOB, "token": Opt(TOKEN)})
    body, token = piece_of(encode((kind,), ({"body": b"1", "token": Some(VALUE)},)))
    assert body == b"1"
    assert decode((TOKEN,), token.argument()) == (VALUE,)
    assert piece_of(encode((kind,), ({"body": b"2", "token": None},))) == (b"2", None)
    assert piece_of(encode((Record({"body": BLOB}),), ({"body": b"3"},))) == (b"3", None)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"DIDL",
        encode((), ()),
        encode((Primitive.TEXT,), ("page",)),
        encode((Record({"status_code": Primitive.NAT16}),), ({"status_code": 200},)),
        streaming(name="Other"),
        streaming(annotations=frozenset()),
    ],
)
def test_any_other_reply_is_refused(reply):
    with pytest.raises(NoResponse):
        response_of(reply)


def test_a_piece_that_is_none_is_refused():
    with pytest.raises(NoResponse):
        piece_of(encode((Primitive.TEXT,), ("piece",)))


class Replying:
    """In place of the owner of an engine: the replies to queries, one after the other; updates never end."""

    def __init__(self, *replies):
        self.replies = list(replies)

    async def read(self, act):
        return act(self)

    async def end_of(self, request_id, take, seconds):
        return take(self)

    @property
    def instance(self):
        return self

    now = 0
    ingress = MappingProxyType({})

    def query(self, query, effective_id):
        return Reply(self.replies.pop(0))

    def submit(self, request, effective_id):
        return None


def page(*replies):
    return asyncio.run(Pages(Replying(*replies)).page(ASKED, PageTarget(CANISTER, is_raw=True)))


def test_a_callback_of_another_canister_is_not_asked():
    with pytest.raises(NoResponse, match="another canister"):
        page(streaming(ELSEWHERE))


def test_a_body_that_does_not_end_is_refused():
    kind = Record({"body": BLOB, "token": Opt(TOKEN)})
    piece = encode((kind,), ({"body": b"", "token": Some(VALUE)},))
    with pytest.raises(NoResponse, match="does not end"):
        page(streaming(), *[piece] * 1001)


def test_an_update_that_does_not_end_is_answered_in_time():
    upgraded = Record({**LEAST, "upgrade": Opt(Primitive.BOOL)})
    with pytest.raises(Failed) as failed:
        page(encode((upgraded,), ({**VALUES, "upgrade": Some(True)},)))
    assert failed.value.answer.status == 504


@pytest.mark.parametrize(
    ("response", "status"),
    [
        (PageResponse(200, (("a\nb", "c"),), b""), 502),
        (PageResponse(200, (("a", "b\r\nset-cookie: c"),), b""), 502),
        (PageResponse(200, (("a", "\u20ac"),), b""), 502),
        (PageResponse(200, (("", "b"),), b""), 502),
        (PageResponse(101, (), b""), 502),
        (PageResponse(600, (), b""), 502),
        (PageResponse(599, (), b""), 599),
    ],
)
def test_what_no_answer_over_http_can_have_is_not_passed_on(response, status):
    assert passed_on(response).status == status


def test_what_is_about_the_connection_is_left_out():
    headers = (("Connection", "close"), ("Content-Length", "7"), ("Transfer-Encoding", "chunked"), ("ETag", "1"))
    assert passed_on(PageResponse(200, headers, b"")).headers == ((b"etag", b"1"),)
