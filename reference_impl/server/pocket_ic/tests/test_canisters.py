"""What clients read and write of canisters past all rules."""

import gzip
import hashlib

import pytest

from reference_impl.server.pocket_ic.tests.in_process import text
from reference_impl.server.pocket_ic.tests.modules import COUNTER
from spec.values.identifiers import principal_from_text, self_authenticating_id

ABSENT = {"canister_id": text(principal_from_text("rwlgt-iiaaa-aaaaa-aaaaa-cai"))}


def stored(client, content, headers=()):
    """The id of a blob, in base64."""
    answered = client.request("POST", "/blobstore", content, headers)
    assert answered.status == 200
    assert answered.body == hashlib.sha256(content).hexdigest().encode()
    return text(bytes.fromhex(answered.body.decode()))


def test_cycles_are_added_out_of_nothing(instance):
    named = {"canister_id": text(instance.create_canister(amount=5))}
    assert instance.post("read/get_cycles", named) == {"cycles": 5}
    many = 12345678901234567890123
    assert instance.post("update/add_cycles", {**named, "amount": many}) == {"cycles": many + 5}
    assert "128 bits" in instance.fails("update/add_cycles", {**named, "amount": (1 << 128) - 1})
    assert instance.post("read/get_cycles", named) == {"cycles": many + 5}


@pytest.mark.parametrize(
    ("rest", "more"),
    [
        ("read/get_cycles", {}),
        ("read/get_controllers", {}),
        ("read/get_stable_memory", {}),
        ("update/add_cycles", {"amount": 1}),
    ],
)
def test_a_canister_that_does_not_exist_has_nothing(instance, rest, more):
    assert instance.fails(rest, {**ABSENT, **more}) == "CanisterNotFound(rwlgt-iiaaa-aaaaa-aaaaa-cai)"


def test_stable_memory_is_replaced_in_whole_pages(client, instance):
    named = {"canister_id": text(instance.created_with(COUNTER))}
    assert instance.post("read/get_stable_memory", named) == {"blob": ""}
    blob_id = stored(client, b"hello")
    assert instance.post("update/set_stable_memory", {**named, "blob_id": blob_id}) is None
    assert instance.post("read/get_stable_memory", named) == {"blob": text(b"hello".ljust(65536, b"\0"))}
    packed = stored(client, gzip.compress(b"packed"), [(b"content-encoding", b"gzip")])
    instance.post("update/set_stable_memory", {**named, "blob_id": packed})
    assert instance.post("read/get_stable_memory", named) == {"blob": text(b"packed".ljust(65536, b"\0"))}


def test_stable_memory_is_not_set_from_what_is_no_blob(client, instance):
    named = {"canister_id": text(instance.created_with(COUNTER))}
    empty = {"canister_id": text(instance.create_canister())}
    blob_id = stored(client, b"hello")
    not_packed = stored(client, b"not packed", [(b"content-encoding", b"gzip")])
    cut_short = stored(client, gzip.compress(bytes(1000))[:-4], [(b"content-encoding", b"gzip")])
    set_memory = "update/set_stable_memory"
    assert instance.fails(set_memory, {**empty, "blob_id": blob_id}).startswith("CanisterIsEmpty(")
    assert instance.fails(set_memory, {**ABSENT, "blob_id": blob_id}).startswith("CanisterNotFound(")
    assert instance.fails(set_memory, {**named, "blob_id": text(bytes(32))}).startswith("BlobNotFound(")
    assert "Bad blob id" in instance.fails(set_memory, {**named, "blob_id": text(bytes(31))})
    for bad in (not_packed, cut_short):
        assert "Decompression failed" in instance.fails(set_memory, {**named, "blob_id": bad})
    assert instance.post("read/get_stable_memory", named) == {"blob": ""}


def test_a_blob_is_given_back_as_it_was_sent(client):
    packed = gzip.compress(b"packed")
    stored(client, packed, [(b"content-encoding", b"gzip")])
    answered = client.request("GET", f"/blobstore/{hashlib.sha256(packed).hexdigest()}")
    assert (answered.status, answered.body, answered.headers[b"content-encoding"]) == (200, packed, b"gzip")
    assert client.request("GET", "/blobstore/00").status == 404
    assert client.request("POST", "/blobstore", b"x", [(b"content-encoding", b"br")]).status == 400


def test_controllers_subnets_and_keys_are_told(client):
    instance = client.create(nns=1, application=1)
    user = self_authenticating_id(b"user")
    canister_id = instance.create_canister()
    named = {"canister_id": text(canister_id)}
    assert instance.post("read/get_controllers", named) == [{"principal_id": text(b"\4")}]
    application = instance.subnet("Application")
    assert instance.post("read/get_subnet", named) == {"subnet_id": text(application)}
    assert instance.post("read/get_subnet", {"canister_id": text(user)}) is None
    key = bytes(instance.post("read/pub_key", {"subnet_id": text(application)}))
    assert len(key) == 133
    assert self_authenticating_id(key) == application
    assert instance.fails("read/pub_key", {"subnet_id": text(user)}).startswith("SubnetNotFound(")


@pytest.mark.parametrize("given", [text(bytes(30)), text(bytes(40))])
def test_what_is_longer_than_a_principal_is_none(instance, given):
    assert "Bad canister id" in instance.fails("read/get_cycles", {"canister_id": given})
