"""Answers are passed on if their canister certifies them, as gateways of production decide too."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import cbor2
import pytest
from attrs import evolve

from reference_impl.authentication.lookups import Found, Missing, looked_up
from reference_impl.certification.signing import ROOT_KEY
from reference_impl.server.http_gateway.exchange import CERTIFICATE, EXPRESSION, PageResponse
from reference_impl.server.http_gateway.tests.websites import CANISTER, LEGACY, NOW, SECOND, SITE, TYPE, Site, cases
from reference_impl.server.http_gateway.verification import NotCertified, Trust, certified
from reference_impl.server.tests.installing import NPM, installed

TRUST = Trust(CANISTER, ROOT_KEY, NOW)
CASES = cases()
CLIENTS = Path(__file__).parent / "clients"
PROGRAM = "verify.cjs"


def is_certified(request, response, trust=TRUST):
    try:
        certified(request, response, trust)
    except NotCertified as problem:
        assert "\n" not in str(problem)
        return False
    return True


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_a_canister_certifies_is_passed_on_and_nothing_else(case):
    assert is_certified(case.request, case.response) is case.is_certified


def test_gateways_of_production_decide_the_same():
    if shutil.which("npm") is None:
        pytest.skip("there is no npm")
    folder = installed("response_verification", (CLIENTS / "package.json", CLIENTS / "package-lock.json"), NPM)
    shutil.copy(CLIENTS / PROGRAM, folder)
    asked = {
        "canister": list(CANISTER),
        "root_key": list(ROOT_KEY),
        "now": str(NOW),
        "offset": str(300 * SECOND),
        "pairs": [
            {
                "request": {
                    "method": case.request.method,
                    "url": case.request.url,
                    "headers": case.request.headers,
                    "body": list(case.request.body),
                    "certificate_version": [2],
                },
                "response": {
                    "status_code": case.response.status,
                    "headers": case.response.headers,
                    "body": list(case.response.body),
                },
            }
            for case in CASES
        ],
    }
    told = subprocess.run(
        ["node", PROGRAM], cwd=folder, input=json.dumps(asked), capture_output=True, text=True, timeout=120
    )
    assert told.returncode == 0, told.stderr[-2000:]
    verdicts = dict(zip((case.name for case in CASES), json.loads(told.stdout), strict=True))
    assert {name: said == "passed" for name, said in verdicts.items()} == {
        case.name: case.is_certified for case in CASES
    }, verdicts


def test_headers_that_are_not_covered_are_left_out():
    site = evolve(SITE, response=PageResponse(200, (TYPE, ("set-cookie", "a=b")), b"the page"))
    passed = certified(site.request, site.answered(), TRUST)
    assert [name.lower() for name, _ in passed.headers] == ["content-type", EXPRESSION, CERTIFICATE]
    assert passed.body == b"the page"


def test_the_legacy_version_is_refused_of_a_canister_that_supports_the_newest():
    assert is_certified(LEGACY.request, LEGACY.answered())
    assert not is_certified(LEGACY.request, LEGACY.answered(), evolve(TRUST, may_be_legacy=False))
    assert is_certified(SITE.request, SITE.answered(), evolve(TRUST, may_be_legacy=False))


def test_the_legacy_version_cannot_say_that_a_page_is_elsewhere():
    moved = evolve(LEGACY, response=PageResponse(301, (("location", "/"),), b"the page"))
    assert not is_certified(moved.request, moved.answered())


def test_a_tree_whose_labels_are_out_of_order_proves_nothing():
    forked = [1, [2, b"b", [3, b""]], [2, b"a", [3, b""]]]
    site = Site(path=("http_expr", "<*>"))
    assert looked_up(forked, (b"a",)) is Missing.ABSENT
    answered = site.answered()
    header = answered.header("IC-Certificate")
    start = header.index("tree=:") + len("tree=:")
    encoded = base64.b64encode(cbor2.dumps(forked)).decode()
    swapped = header[:start] + encoded + header[header.index(":", start) :]
    headers = tuple((name, swapped if name == "IC-Certificate" else value) for name, value in answered.headers)
    assert not is_certified(site.request, evolve(answered, headers=headers))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "certificate",
        "certificate=:AAAA:, tree=:AAAA:",
        "certificate=:%%%:, tree=:gQA=:",
        "certificate=:2dn3:, tree=:gQA=:, version=2",
        "certificate=:gQA=:, tree=:A:, version=2, expr_path=:gQA=:",
        "certificate=" + ":" * 100_000,
        "a=1," * 50_000,
    ],
)
def test_a_header_that_cannot_be_read_is_refused(header):
    answered = SITE.answered()
    headers = tuple((name, header if name == "IC-Certificate" else value) for name, value in answered.headers)
    assert not is_certified(SITE.request, evolve(answered, headers=headers))


@pytest.mark.parametrize(
    ("tree", "label", "told"),
    [
        ([0], b"a", Missing.ABSENT),
        ([3, b"value"], b"a", Missing.ABSENT),
        ([4, bytes(32)], b"a", Missing.UNKNOWN),
        ([2, b"b", [0]], b"a", Missing.ABSENT),
        ([2, b"b", [0]], b"c", Missing.ABSENT),
        ([2, b"b", [0]], b"b", Found([0])),
        ([1, [4, bytes(32)], [2, b"b", [0]]], b"a", Missing.UNKNOWN),
        ([1, [4, bytes(32)], [2, b"b", [0]]], b"c", Missing.ABSENT),
        ([1, [2, b"b", [0]], [4, bytes(32)]], b"a", Missing.ABSENT),
        ([1, [2, b"b", [0]], [4, bytes(32)]], b"c", Missing.UNKNOWN),
        ([1, [2, b"b", [0]], [1, [4, bytes(32)], [2, b"d", [0]]]], b"c", Missing.UNKNOWN),
        ([1, [2, b"b", [0]], [1, [0], [2, b"d", [0]]]], b"c", Missing.ABSENT),
    ],
)
def test_a_tree_tells_what_is_under_a_label_or_that_nothing_is_or_neither(tree, label, told):
    assert looked_up(tree, (label,)) == told
