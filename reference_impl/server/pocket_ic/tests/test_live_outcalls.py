"""HTTPS outcalls that are made for real: in live mode, and only if the server is told so."""

import asyncio
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from reference_impl.server.pocket_ic.application import PocketApplication
from reference_impl.server.pocket_ic.live_outcalls import answer_from_outside
from reference_impl.server.pocket_ic.outside import Rejected
from reference_impl.server.pocket_ic.server import PocketServer
from reference_impl.server.pocket_ic.tests.in_process import START, Client, blob
from reference_impl.server.pocket_ic.tests.modules import caller_of
from reference_impl.server.pocket_ic.tests.test_outcalls import CYCLES, TRANSFORMS
from spec.profile import load_profile
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.management import (
    HttpHeader,
    HttpMethod,
    HttpRequestArguments,
    HttpTransform,
    decode_result,
    encode_arguments,
)
from spec.values.rejects import RejectCode

PATIENCE = 60


class Handler(BaseHTTPRequestHandler):
    """Tells what it was asked; the path says how."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.command, self.path, dict(self.headers.items())))
        size = int(self.headers.get("content-length", 0))
        body = b"<" + self.rfile.read(size) + b">"
        if self.path == "/slow":
            time.sleep(2)
        if self.path == "/large":
            body = bytes(5000)
        self.send_response(302 if self.path == "/away" else 200)
        if self.path == "/away":
            self.send_header("location", "/")
        self.send_header("x-own", "1")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of a server on this machine, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = tmp_path_factory.mktemp("certificate") / "both.pem"
    file.write_bytes(made.public_bytes(Encoding.PEM) + secret)
    return file


@pytest.fixture
def outside(certificate, monkeypatch):
    """A server of the outside world, on this machine, which trusts it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.seen = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.url = f"https://127.0.0.1:{server.server_address[1]}"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def an_instance(makes_outcalls):
    clock = [START]
    server = PocketServer(lambda: clock[0], makes_outcalls=makes_outcalls)
    client = Client(PocketApplication(load_profile("production"), server), clock=clock)
    instance = client.create()
    caller = instance.created_with(caller_of(MANAGEMENT_CANISTER, "http_request", CYCLES, TRANSFORMS))
    instance.post("auto_progress", {"artificial_delay_ms": 0})
    return client, instance, caller


def ended(instance, message):
    """What became of a request, which live mode brings to its end."""
    until = time.monotonic() + PATIENCE
    while (told := instance.post("read/ingress_status", {"raw_message_id": message})) is None:
        assert time.monotonic() < until
        instance.client.runner.run(asyncio.sleep(0.05))
    return told


def submitted(instance, caller, arguments):
    return instance.submit(caller, "ask", encode_arguments(arguments))["Ok"]


def test_in_live_mode_an_outcall_is_made_and_its_response_transformed(outside):
    client, instance, caller = an_instance(makes_outcalls=True)
    plain = submitted(instance, caller, HttpRequestArguments(f"{outside.url}/a?b=c", max_response_bytes=1000))
    response = decode_result("http_request", blob(ended(instance, plain)["Ok"]))
    assert (response.status, response.body) == (200, b"<>")
    assert HttpHeader("x-own", "1") in list(response.headers)
    assert [one[:2] for one in outside.seen] == [("GET", "/a?b=c")], "it was asked once, in the place of all nodes"
    transform = HttpTransform(caller, "transform", b"")
    made = submitted(instance, caller, HttpRequestArguments(outside.url, transform=transform, max_response_bytes=1000))
    assert decode_result("http_request", blob(ended(instance, made)["Ok"])).body == b"made"
    assert instance.get("read/get_canister_http") == []
    client.close()


def test_unless_the_server_is_told_so_outcalls_wait_in_live_mode_too(outside):
    client, instance, caller = an_instance(makes_outcalls=False)
    submitted(instance, caller, HttpRequestArguments(outside.url, max_response_bytes=1000))
    until = time.monotonic() + PATIENCE
    while not instance.get("read/get_canister_http"):
        assert time.monotonic() < until
        client.runner.run(asyncio.sleep(0.05))
    client.runner.run(asyncio.sleep(0.5))
    assert len(instance.get("read/get_canister_http")) == 1
    assert outside.seen == []
    client.close()


def test_an_instance_that_is_deleted_while_an_outcall_is_made_ends(outside):
    client, instance, caller = an_instance(makes_outcalls=True)
    submitted(instance, caller, HttpRequestArguments(f"{outside.url}/slow", max_response_bytes=1000))
    until = time.monotonic() + PATIENCE
    while not outside.seen:
        assert time.monotonic() < until
        client.runner.run(asyncio.sleep(0.05))
    assert client.request("DELETE", f"/instances/{instance.number}").status == 200
    client.close()


def test_a_request_goes_out_as_the_canister_wants_it(outside):
    headers = List.of(HttpHeader("x-a", "b"), HttpHeader("Host", "example.com"))
    asked = HttpRequestArguments(f"{outside.url}/p", HttpMethod.POST, 1000, headers, b"body")
    assert answer_from_outside(asked).body == b"<body>"
    ((method, path, told),) = outside.seen
    assert (method, path) == ("POST", "/p")
    assert {name.lower(): value for name, value in told.items()} == {
        "x-a": "b",
        "host": "example.com",
        "content-length": "4",
    }


def test_a_server_that_does_not_prove_who_it_is_is_not_asked(outside, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    answer = answer_from_outside(HttpRequestArguments(outside.url))
    assert answer.code is RejectCode.SYS_TRANSIENT
    assert "CERTIFICATE_VERIFY_FAILED" in answer.message
    assert outside.seen == []


def test_no_redirection_is_followed(outside):
    assert answer_from_outside(HttpRequestArguments(f"{outside.url}/away")).status == 302
    assert len(outside.seen) == 1


def test_a_response_that_is_too_large_is_not_read_to_its_end(outside):
    answer = answer_from_outside(HttpRequestArguments(f"{outside.url}/large", max_response_bytes=1000))
    assert answer == Rejected(RejectCode.SYS_FATAL, "Http body exceeds size limit of 1000 bytes.")


def test_a_server_that_takes_too_long_is_not_waited_for(outside):
    answer = answer_from_outside(HttpRequestArguments(f"{outside.url}/slow"), 0.2)
    assert answer == Rejected(RejectCode.SYS_TRANSIENT, "The server did not answer within 0.2 seconds.")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "http://127.0.0.1/",
        "file:///etc/passwd",
        "https://",
        "https://127.0.0.1:1/",
        "https://127.0.0.1:99999/",
        "https://127.0.0.1/a b",
        "https://127.0.0.1/\r\nx: y",
        "https://a.invalid/",
        "",
    ],
)
def test_what_cannot_be_asked_fails_the_outcall(url):
    answer = answer_from_outside(HttpRequestArguments(url), 5.0)
    assert isinstance(answer, Rejected)
    assert answer.code is RejectCode.SYS_TRANSIENT


@pytest.mark.parametrize("header", [HttpHeader("a\r\nb", "c"), HttpHeader("a", "b\r\nc: d"), HttpHeader("", "b")])
def test_headers_that_would_make_other_headers_are_not_sent(outside, header):
    answer = answer_from_outside(HttpRequestArguments(outside.url, headers=List.of(header)))
    assert isinstance(answer, Rejected) or header.name == ""
    assert all("c" not in told or told["c"] != "d" for _, _, told in outside.seen)
