"""Pages that come in parts are put together, where nobody asked for a part."""

import asyncio

import pytest
from attrs import evolve

from reference_impl.certification.signing import ROOT_KEY
from reference_impl.server.http_gateway.exchange import NoResponse, PageRequest
from reference_impl.server.http_gateway.pages import Pages
from reference_impl.server.http_gateway.targets import PageTarget
from reference_impl.server.http_gateway.tests.test_exchange import HEADERS, LEAST
from reference_impl.server.http_gateway.tests.websites import CANISTER, EXCLUDING, NOW, TYPE, PageResponse, Site
from reference_impl.server.http_gateway.verification import NotCertified, Trust
from spec.values.candid import Primitive, Record, decode, encode
from spec.values.rejects import Reply

CONTENT = bytes(range(100)) * 3
PART = 128
ASKED = PageRequest("GET", "/page", (), b"")
REQUEST = Record({"url": Primitive.TEXT, "headers": HEADERS})


def part(start, *, content=CONTENT, said=None, status=206):
    """The answer to a request from a byte on."""
    end = min(start + PART, len(content))
    told = f"bytes {start}-{end - 1}/{len(content)}" if said is None else said
    headers = (TYPE, ("Content-Range", told)) if told else (TYPE,)
    return PageResponse(status, headers, content[start:end])


class Answering:
    """In place of the owner of an engine: a canister that answers requests as a function says."""

    now = NOW

    def __init__(self, answer):
        self.answer = answer
        self.ranges = []

    async def read(self, act):
        return act(self)

    @property
    def instance(self):
        return self

    def query(self, query, effective_id):
        (asked,) = decode((REQUEST,), query.argument)
        ranges = [one[1] for one in asked["headers"] if one[0].lower() == "range"]
        self.ranges.append(ranges)
        start = int(ranges[0].removeprefix("bytes=").removesuffix("-")) if ranges else 0
        response = self.answer(start)
        headers = tuple({0: name, 1: value} for name, value in response.headers)
        values = {"status_code": response.status, "headers": headers, "body": response.body}
        return Reply(encode((Record(LEAST),), (values,)))


def page(answer, request=ASKED, *, is_raw=True):
    owner = Answering(answer)
    return asyncio.run(Pages(owner).page(request, PageTarget(CANISTER, is_raw=is_raw))), owner.ranges


def test_a_page_that_comes_in_parts_is_put_together_and_says_nothing_of_parts():
    whole, ranges = page(part)
    assert whole == PageResponse(200, (TYPE,), CONTENT)
    assert ranges == [[], ["bytes=128-"], ["bytes=256-"]]


@pytest.mark.parametrize("name", ["Range", "range"])
def test_a_part_that_was_asked_for_is_passed_on_as_it_is(name):
    asked = evolve(ASKED, headers=((name, "bytes=128-"),))
    assert page(part, asked) == (part(128), [["bytes=128-"]])


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        (lambda start: part(start, said=""), "which part"),
        (lambda start: part(start, said="bytes 0-127/*"), "which part"),
        (lambda start: part(start, said="bytes 0-126/300"), "not the part"),
        (lambda start: part(start, said="bytes 127-0/300"), "not the part"),
        (lambda start: part(start + PART), "not the beginning"),
        (lambda start: part(0), "do not follow"),
        (lambda start: part(start, content=CONTENT + bytes(start)), "do not follow"),
        (lambda start: part(start, status=200 if start else 206), "status 200"),
    ],
    ids=["not told", "no total", "shorter", "backwards", "late", "again", "longer", "another status"],
)
def test_parts_that_do_not_make_a_page_are_refused(answer, because):
    with pytest.raises(NoResponse, match=because):
        page(answer)


def certified_part(start):
    return Site(request=ASKED, response=part(start), expression=EXCLUDING).answered()


@pytest.fixture
def trusted(monkeypatch):
    """The canister's certificates are checked at the time at which they were made."""
    trust = Trust(CANISTER, ROOT_KEY, NOW, False)
    monkeypatch.setattr("reference_impl.server.http_gateway.pages.trust_for", lambda engine, canister_id: trust)


def test_a_page_of_certified_parts_is_certified(trusted):
    whole, ranges = page(certified_part, is_raw=False)
    assert (whole.status, whole.body, len(ranges)) == (200, CONTENT, 3)
    assert [name for name, _ in whole.headers if name.lower() == "content-range"] == []


@pytest.mark.parametrize("wrong", range(3))
def test_every_part_must_be_certified(trusted, wrong):
    with pytest.raises(NotCertified):
        page(lambda start: part(start) if start == wrong * PART else certified_part(start), is_raw=False)
