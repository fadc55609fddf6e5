"""State directories: an instance goes on where it ended, and a subnet goes on in another instance."""

import json
import shutil
import stat

import cbor2
import pytest

from reference_impl.durability.kept_values import CLASSES, NoValue, decoded, encoded
from reference_impl.server.pocket_ic.tests.in_process import SPEC, Client, blob, configuration, text
from reference_impl.server.pocket_ic.tests.modules import COUNTER, caller_of
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.management import (
    CanisterIdArguments,
    HttpRequestArguments,
    TakeSnapshotArguments,
    UploadChunkArguments,
    encode_arguments,
)


def kept_at(client, directory, **subnets):
    """An instance that is left in the directory at its end."""
    return client.create_of({**configuration(**subnets), "state_dir": str(directory)})


def ended(instance):
    assert instance.client.request("DELETE", f"/instances/{instance.number}").status == 200


def resumed(client, directory):
    return kept_at(client, directory)


def whole(instance):
    """The specification's state that an instance is in, but for the time."""
    hosted = instance.client.application._server.instances[instance.number]
    state = hosted.runner._simulation.engine.abstract()
    return {
        "canisters": {
            one: (
                canister.code,
                canister.settings,
                canister.balance,
                canister.status,
                canister.version,
                canister.history,
                canister.chunk_store,
                canister.snapshots,
                canister.logs,
            )
            for one, canister in state.canisters.items()
        },
        "requests": state.requests,
        "contexts": state.call_contexts,
        "messages": state.messages.entries,
        "used": (state.deleted_canisters, state.used_snapshot_ids),
    }


def test_an_instance_goes_on_where_it_ended(client, tmp_path):
    first = kept_at(client, tmp_path / "new", nns=1, application=1)
    counter = first.created_with(COUNTER)
    far = first.created_with(caller_of(counter, "inc"), {"SubnetId": text(first.subnet("NNS"))})
    assert first.update(far, "ask") == b"\1\0\0\0"
    about = encode_arguments(TakeSnapshotArguments(counter))
    first.update(MANAGEMENT_CANISTER, "take_canister_snapshot", about)
    first.update(MANAGEMENT_CANISTER, "upload_chunk", encode_arguments(UploadChunkArguments(counter, b"chunk")))
    gone = first.created_with(COUNTER)
    first.update(MANAGEMENT_CANISTER, "stop_canister", encode_arguments(CanisterIdArguments(gone)))
    first.update(MANAGEMENT_CANISTER, "delete_canister", encode_arguments(CanisterIdArguments(gone)))
    waiting = first.submit(counter, "inc")["Ok"]
    before, time, topology = whole(first), first.time, first.get("_/topology")
    ended(first)
    again = resumed(client, tmp_path / "new")
    assert whole(again) == before
    assert again.get("_/topology") == topology
    assert again.time == time + 2
    assert again.post("update/await_ingress_message", waiting) == {"Ok": text(b"\2\0\0\0")}
    assert again.update(far, "ask") == b"\3\0\0\0"
    assert again.create_canister() not in (counter, gone)


def test_a_call_that_has_left_the_subnet_comes_back_with_the_instance(client, tmp_path):
    first = kept_at(client, tmp_path, application=1)
    caller = first.created_with(caller_of(MANAGEMENT_CANISTER, "http_request", cycles=10**12))
    asked = first.submit(caller, "ask", encode_arguments(HttpRequestArguments("https://a", max_response_bytes=100)))[
        "Ok"
    ]
    first.tick()
    first.tick()
    before, outcalls = whole(first), first.get("read/get_canister_http")
    assert len(outcalls) == 1
    ended(first)
    again = resumed(client, tmp_path)
    assert (whole(again), again.get("read/get_canister_http")) == (before, outcalls)
    reject = {"CanisterHttpReject": {"reject_code": 2, "message": "too late"}}
    told = {"subnet_id": outcalls[0]["subnet_id"], "request_id": outcalls[0]["request_id"], "response": reject}
    again.post("update/mock_canister_http", told)
    answer = again.post("update/await_ingress_message", asked)
    assert blob(answer["Ok"]) == b"\2\0\0\0too late"


def test_a_subnet_goes_on_in_another_instance(client, tmp_path):
    first = kept_at(client, tmp_path, application=1)
    counter = first.created_with(COUNTER)
    first.update(counter, "inc")
    topology = first.get("_/topology")
    ended(first)
    (directory,) = (one for one in tmp_path.iterdir() if one.is_dir())
    spec = {**SPEC, "state_config": {"FromPath": str(directory)}}
    other = client.create_of({"subnet_config_set": {"application": [SPEC, spec], "nns": SPEC}})
    assert blob(other.query(counter, "get")["Ok"]) == b"\1\0\0\0"
    (kept,) = topology["subnet_configs"]
    assert next(iter(other.get("_/topology")["subnet_configs"])) == kept
    assert len(other.get("_/topology")["subnet_configs"]) == 3
    assert other.update(counter, "inc") == b"\2\0\0\0"


def test_what_is_left_is_the_owners_alone(client, tmp_path):
    ended(kept_at(client, tmp_path / "kept", nns=1, application=1))
    found = [tmp_path / "kept", *(tmp_path / "kept").rglob("*")]
    assert len([one for one in found if one.is_dir()]) == 3
    assert {stat.S_IMODE(one.stat().st_mode) for one in found if one.is_dir()} == {0o700}
    assert {stat.S_IMODE(one.stat().st_mode) for one in found if one.is_file()} == {0o600}


def test_who_ends_an_instance_whose_state_cannot_be_written_is_told_so_and_the_others_end_all_the_same(tmp_path):
    client = Client.of()
    lost, _, _ = (kept_at(client, tmp_path / name, application=1) for name in ("lost", "also", "kept"))
    ends_at = tmp_path / "kept" / "under_way.cbor"
    for name in ("lost", "also"):
        shutil.rmtree(tmp_path / name)
        (tmp_path / name).touch()
    answered = client.request("DELETE", f"/instances/{lost.number}")
    assert (answered.status, "cannot be written" in answered.message) == (400, True)
    assert client.get("/instances") == ["Deleted", "Available", "Available"]
    ends_at.unlink()
    client.close()
    assert ends_at.exists()


def test_directories_that_hold_no_state_are_refused(client, tmp_path):
    empty, other = tmp_path / "empty", tmp_path / "other"
    empty.mkdir()
    other.mkdir()
    (other / "file").write_text("x")
    nothing = {"subnet_config_set": {}}
    assert client.refusal({**nothing, "state_dir": str(empty)}).startswith("Provided an empty state directory at path")
    assert "is not a state directory" in client.refusal({**nothing, "state_dir": str(other)})
    spec = {**SPEC, "state_config": {"FromPath": str(other)}}
    refused = client.refusal({"subnet_config_set": {"application": [spec]}})
    assert "is not a (subnet state) directory" in refused
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["empty", "file", "other"]


def test_a_state_that_was_left_at_different_times_is_refused_unless_it_may_be_incomplete(client, tmp_path):
    ended(kept_at(client, tmp_path, application=1))
    description = json.loads((tmp_path / "topology.json").read_text())
    description["time"] += 1
    (tmp_path / "topology.json").write_text(json.dumps(description))
    asked = {"subnet_config_set": {}, "state_dir": str(tmp_path)}
    seed = description["subnets"][0]["seed"]
    assert client.refusal(asked) == f"The state of subnet with seed {seed} is incomplete."
    assert client.create_of({**asked, "incomplete_state": "Enabled"}).number == 1


@pytest.mark.parametrize("seed", ["../../etc", "00", "", None, 5])
def test_a_description_cannot_name_a_directory_elsewhere(client, tmp_path, seed):
    ended(kept_at(client, tmp_path, application=1))
    description = json.loads((tmp_path / "topology.json").read_text())
    description["subnets"][0]["seed"] = seed
    (tmp_path / "topology.json").write_text(json.dumps(description))
    assert "is not a state directory" in client.refusal({"subnet_config_set": {}, "state_dir": str(tmp_path)})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        cbor2.dumps(cbor2.CBORTag(40_500, ["Path", {}])),
        cbor2.dumps(cbor2.CBORTag(40_500, ["Subnet", {"no": 1}])),
        cbor2.dumps(cbor2.CBORTag(40_501, ["RejectCode", "NONE"])),
        cbor2.dumps(cbor2.CBORTag(37, b"x" * 16)),
        encoded({"a": 1})[:-1],
    ],
)
def test_what_is_no_value_of_a_state_is_not_read(content):
    with pytest.raises(NoValue):
        decoded(content)
    assert "Path" not in CLASSES


def test_one_instance_at_a_time_goes_on_in_a_directory(client, tmp_path):
    first = kept_at(client, tmp_path, application=1)
    asked = {**configuration(application=1), "state_dir": str(tmp_path)}
    assert client.refusal(asked) == f"Another instance uses the state directory {tmp_path}."
    ended(first)
    ended(resumed(client, tmp_path))


def test_a_directory_that_was_refused_may_be_used_later(client, tmp_path):
    (tmp_path / "topology.json").write_text("{}")
    assert "is not a state directory" in client.refusal({**configuration(application=1), "state_dir": str(tmp_path)})
    (tmp_path / "topology.json").unlink()
    ended(kept_at(client, tmp_path, application=1))
