"""Pages of canisters are served, if they are certified; if not, one line says why."""

import pytest

from reference_impl.server.http_gateway.tests.conftest import MODULE
from reference_impl.server.https_interface.tests.in_process import COUNTER
from spec.values.identifiers import Principal, principal_to_text
from spec.values.management import CanisterIdArguments, encode_arguments


def line(answered):
    """The one line of an error."""
    assert answered.headers[b"content-type"] == b"text/plain; charset=utf-8"
    text = answered.body.decode()
    assert "\n" not in text and len(text) < 300
    return text


def test_a_certified_page_is_served_with_the_headers_that_are_certified(website):
    answered = website.get("/")
    assert answered.status == 200
    assert answered.body.startswith(b"<!doctype html>")
    assert answered.headers[b"content-type"] == b"text/html; charset=utf-8"
    assert answered.headers[b"content-length"] == b"%d" % len(answered.body)
    assert answered.headers[b"access-control-allow-origin"] == b"*"
    assert b"ic-certificate" in answered.headers
    assert b"x-uncertified" not in answered.headers


def test_a_raw_page_is_served_as_it_comes(website):
    answered = website.get("/", raw=True)
    assert answered.headers[b"x-uncertified"] == b"yes"
    for path in ("/forged", "/uncertified", "/echo", "/search?q=other"):
        assert website.get(path, raw=True).status == 200


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/style.css", 200, b"body { "),
        ("/stream", 200, b"one, two, three"),
        ("/moved", 301, b"elsewhere"),
        ("/none/such", 404, b"There is no such page."),
        ("/dynamic", 200, b"counted "),
        ("/legacy", 200, b"certified by its path alone"),
    ],
)
def test_each_kind_of_certified_answer_is_passed_on(website, path, status, body):
    answered = website.get(path)
    assert (answered.status, answered.body[: len(body)]) == (status, body)


def test_where_a_page_moved_is_told(website):
    assert website.get("/moved").headers[b"location"] == b"/"


def test_an_answer_to_one_request_is_not_passed_on_for_another(website):
    assert website.get("/search?q=canister&page=2", x_language="Motoko").body == b"found"
    for path, language in (("/search?q=other", "Motoko"), ("/search?q=canister", "Rust")):
        answered = website.get(path, x_language=language)
        assert answered.status == 502
        assert line(answered).endswith("the canister certifies another answer to this request.")


def test_an_answer_that_is_not_certified_is_not_passed_on(website):
    forged, uncertified = website.get("/forged"), website.get("/uncertified")
    assert (forged.status, uncertified.status) == (502, 502)
    assert line(forged).startswith("The answer of the canister is not passed on: the canister certifies another")
    assert line(uncertified) == "The answer of the canister is not passed on: it has no header IC-Certificate."


def test_a_request_is_made_again_as_an_update_if_the_canister_wants_it(website):
    before = int(website.get("/dynamic").body.removeprefix(b"counted "))
    assert website.get("/count", method="POST", body=b"x").body == b"%d POST" % (before + 1)
    assert website.get("/count").body == b"%d GET" % (before + 2)
    assert website.get("/dynamic").body == b"counted %d" % (before + 2)


def test_method_and_address_are_told_to_the_canister_as_they_came(website):
    told = website.get("/echo?a=b%20c&canisterId=x", raw=True, method="PATCH")
    assert told.body == b"PATCH /echo?a=b%20c&canisterId=x"


def test_the_head_of_a_page_has_its_length_and_no_body(website):
    page, head = website.get("/style.css", raw=True), website.get("/style.css", raw=True, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers[b"content-length"] == page.headers[b"content-length"]


def test_a_canister_is_named_by_the_host_or_the_address_or_the_page_that_asks(website):
    named = principal_to_text(website.canister_id)
    assert website.get(f"/style.css?canisterId={named}", host="127.0.0.1:80").status == 200
    assert website.get(f"/style.css?canisterId={named}", host="localhost").status == 200
    assert website.get(f"/forged?canisterId={named}", host="localhost").status == 502
    assert website.get(f"/forged?canisterId={named}", host="raw.localhost").status == 200
    referer = f"http://127.0.0.1:80/?canisterId={named}"
    assert website.get("/style.css", host="127.0.0.1:80", referer=referer).status == 200
    assert website.get("/style.css", host=f"{named.upper()}.LOCALHOST").status == 200


def test_without_a_canister_there_is_no_page(website):
    for host in ("127.0.0.1:80", "localhost:80", "[::1]:80", "raw.localhost", "", "example.org"):
        answered = website.get("/page", host=host)
        assert answered.status == 404
        assert "no canister is named" in line(answered)


def test_what_is_no_canister_id_is_refused(website):
    for host, path in (("nonsense.localhost", "/"), ("127.0.0.1", "/?canisterId=nonsense")):
        answered = website.get(path, host=host)
        assert answered.status == 400
        assert line(answered) == "'nonsense' is not the id of a canister."


def test_a_canister_that_cannot_answer_is_told_with_the_status_that_fits(website):
    instance = website.instance
    user = instance.users[0]
    gone = bytes(website.canister_id[:7]) + b"\x77" + bytes(website.canister_id[8:])
    empty, counter = instance.created(user), instance.installed(user, COUNTER)
    for canister_id, reason in ((gone, "exist"), (empty, "module"), (counter, "method")):
        answered = website.get("/", host=f"{principal_to_text(Principal(canister_id))}.localhost")
        assert answered.status == 404, (reason, answered.body)
        assert line(answered).startswith("The canister did not answer: ")
    assert website.get("/trap").status == 502
    stopped = instance.installed(user, MODULE.read_bytes())
    arguments = encode_arguments(CanisterIdArguments(stopped))
    instance.reply(instance.call(user, Principal(b""), "stop_canister", arguments, about=stopped))
    assert website.get("/", host=f"{principal_to_text(stopped)}.localhost").status == 503


def test_the_interface_is_served_beside_the_pages(website):
    assert website.get("/api/v2/status").status == 200
    assert website.get("/api/v2/nothing").status == 404
    preflight = website.get("/", method="OPTIONS", access_control_request_method="POST")
    assert preflight.status == 204
    assert website.get("/echo", raw=True, method="OPTIONS").body == b"OPTIONS /echo"
