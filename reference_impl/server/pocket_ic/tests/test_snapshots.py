"""Snapshots as files, and signatures that clients want checked."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reference_impl.server.pocket_ic.tests.in_process import blob, text
from reference_impl.server.pocket_ic.tests.modules import COUNTER
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, self_authenticating_id
from spec.values.management import (
    LoadSnapshotArguments,
    TakeSnapshotArguments,
    UploadChunkArguments,
    decode_result,
    encode_arguments,
)

DOWNLOAD, UPLOAD = "update/canister_snapshot_download", "update/canister_snapshot_upload"


@pytest.fixture
def counted(instance):
    """A counter that was taken a snapshot of at 1, and its snapshot."""
    counter = instance.created_with(COUNTER)
    instance.update(counter, "inc")
    instance.update(MANAGEMENT_CANISTER, "upload_chunk", encode_arguments(UploadChunkArguments(counter, b"chunk")))
    about = encode_arguments(TakeSnapshotArguments(counter))
    reply = instance.update(MANAGEMENT_CANISTER, "take_canister_snapshot", about)
    instance.update(counter, "inc")
    return counter, decode_result("take_canister_snapshot", reply).id


def named(canister_id, directory, sender=ANONYMOUS, **more):
    return {
        "sender": {"principal_id": text(sender)},
        "canister_id": {"canister_id": text(canister_id)},
        "snapshot_dir": str(directory),
        **more,
    }


def test_a_snapshot_goes_into_files_and_from_there_into_another_canister(instance, counted, tmp_path):
    counter, snapshot_id = counted
    directory = tmp_path / "snapshot"
    assert instance.post(DOWNLOAD, named(counter, directory, snapshot_id=text(snapshot_id))) is None
    assert (directory / "wasm_module.bin").read_bytes() == COUNTER
    assert (directory / "wasm_memory.bin").read_bytes()[:4] == b"\1\0\0\0"
    (chunk,) = (directory / "wasm_chunk_store").iterdir()
    assert chunk.read_bytes() == b"chunk"
    other = instance.create_canister()
    uploaded = blob(instance.post(UPLOAD, named(other, directory))["snapshot_id"])
    instance.update(
        MANAGEMENT_CANISTER, "load_canister_snapshot", encode_arguments(LoadSnapshotArguments(other, uploaded))
    )
    assert blob(instance.query(other, "get")["Ok"]) == b"\1\0\0\0"
    assert blob(instance.query(counter, "get")["Ok"]) == b"\2\0\0\0"
    replacing = named(other, directory, replace_snapshot={"snapshot_id": text(uploaded)})
    assert blob(instance.post(UPLOAD, replacing)["snapshot_id"]) != uploaded


def test_only_who_may_read_a_snapshot_gets_its_files(instance, counted, tmp_path):
    counter, snapshot_id = counted
    stranger = named(counter, tmp_path / "a", self_authenticating_id(b"x"), snapshot_id=text(snapshot_id))
    assert instance.fails(DOWNLOAD, stranger).startswith("CanisterSnapshotError(")
    missing = named(counter, tmp_path / "a", snapshot_id=text(bytes(18)))
    assert instance.fails(DOWNLOAD, missing).startswith("CanisterSnapshotError(")
    assert list(tmp_path.iterdir()) == []


def test_files_are_not_written_over_others_nor_at_a_place_that_is_not_named_in_full(instance, counted, tmp_path):
    counter, snapshot_id = counted
    (tmp_path / "mine").write_text("mine")
    refused = instance.fails(DOWNLOAD, named(counter, tmp_path, snapshot_id=text(snapshot_id)))
    assert refused.startswith("InvalidCanisterSnapshotDirectory(")
    assert [one.name for one in tmp_path.iterdir()] == ["mine"]
    relative = instance.fails(DOWNLOAD, named(counter, "here", snapshot_id=text(snapshot_id)))
    assert "is not an absolute path" in relative


def test_files_that_are_no_snapshot_are_refused(instance, counted, tmp_path):
    counter, snapshot_id = counted
    directory = tmp_path / "snapshot"
    assert instance.fails(UPLOAD, named(counter, directory)).startswith("InvalidCanisterSnapshotDirectory(")
    instance.post(DOWNLOAD, named(counter, directory, snapshot_id=text(snapshot_id)))
    metadata = json.loads((directory / "metadata.json").read_text())
    (directory / "metadata.json").write_text(json.dumps({**metadata, "wasm_memory_size": 1}))
    assert "wasm_memory.bin has not the size" in instance.fails(UPLOAD, named(counter, directory))
    (directory / "metadata.json").write_text("{}")
    assert instance.fails(UPLOAD, named(counter, directory)).startswith("InvalidCanisterSnapshotDirectory(")


def test_signatures_are_verified(client):
    secret = Ed25519PrivateKey.from_private_bytes(bytes(32))
    key = bytes.fromhex("302a300506032b6570032100") + secret.public_key().public_bytes_raw()
    asked = {"msg": text(b"hello"), "sig": text(secret.sign(b"hello")), "pubkey": text(key), "root_pubkey": text(b"")}
    assert client.post("/verify_signature", asked) == {"Ok": None}
    wrong = client.request("POST", "/verify_signature", {**asked, "msg": text(b"other")})
    assert (wrong.status, list(wrong.json)) == (406, ["Err"])
    assert client.request("POST", "/verify_signature", {**asked, "pubkey": text(b"no key")}).status == 406
