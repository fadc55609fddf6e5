"""An instance of several subnets: effective ids say which of them is asked, and each answers for its own canisters."""

import pytest
import wasmtime

from reference_impl.certification.signing import ROOT, ROOT_KEY
from reference_impl.server.https_interface.serve import main
from reference_impl.server.https_interface.subnets import RANGE_SIZE, network_with, told
from reference_impl.server.https_interface.tests.in_process import COUNTER, Anonymous, Instance, User
from reference_impl.server.tests.served import SERVE, Served
from reference_impl.subnet.network import numbered_id
from spec.certification.bls_signatures import verify_bls_signature
from spec.certification.certificate import delegation_key
from spec.certification.plain_signatures import verify_plain_signature
from spec.certification.query_response import NodeSignature, SignedResponse, Verifiers, verify_response
from spec.certification.scope import delegated_ranges, is_in_scope
from spec.values.identifiers import principal_to_text

NODES = 4
USER = User.of(1)
OF_EACH = [numbered_id(number * RANGE_SIZE) for number in range(3)]
"""The first canister id of each subnet."""

CALLER = bytes(
    wasmtime.wat2wasm("""(module
  (import "ic0" "msg_arg_data_size" (func $size (result i32)))
  (import "ic0" "msg_arg_data_copy" (func $argument (param i32 i32 i32)))
  (import "ic0" "call_new" (func $new (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ic0" "call_perform" (func $perform (result i32)))
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (memory 1)
  (table funcref (elem $done))
  (data (i32.const 100) "inc")
  (func $done (param i32)
    (call $argument (i32.const 0) (i32.const 0) (call $size))
    (call $append (i32.const 0) (call $size))
    (call $reply))
  (func (export "canister_update forward")
    (call $argument (i32.const 0) (i32.const 0) (call $size))
    (call $new (i32.const 0) (call $size) (i32.const 100) (i32.const 3)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (drop (call $perform))))""")
)
"""Calls the counter whose id it is sent, and replies what that one replies."""


@pytest.fixture(scope="module")
def several():
    """An instance of three subnets."""
    made = Instance.of(network=network_with(3, NODES))
    yield made
    made.close()


@pytest.mark.parametrize("number", range(3))
def test_a_canister_is_created_on_the_subnet_that_the_effective_id_names(several, number):
    canister_id = several.created(USER, OF_EACH[number])
    own = list(several.engine.instance.network)[number]
    assert own.has(canister_id)
    assert several.engine.instance.canisters[canister_id].subnet.subnet_id == own.subnet_id


def test_without_an_effective_id_it_is_created_on_the_root_subnet(several):
    assert next(iter(several.engine.instance.network)).has(several.created(USER))


@pytest.mark.parametrize("number", range(3))
def test_each_subnet_certifies_for_its_own_canisters_by_a_delegation_unless_it_is_the_root_subnet(several, number):
    canister_id = several.installed(USER, COUNTER, OF_EACH[number])
    own = list(several.engine.instance.network)[number]
    for answered in (several.call(USER, canister_id, "inc"), several.read(USER, canister_id, (b"time",))):
        certificate = answered.certificate  # Verified with the root key.
        if number == 0:
            assert certificate.delegation is None
            continue
        assert certificate.delegation.subnet_id == own.subnet_id
        assert delegation_key(certificate.delegation, ROOT_KEY, verify_bls_signature) == own.public_key[-96:]
        assert delegated_ranges(certificate.delegation) == tuple((one.first, one.last) for one in own.ranges)
        assert is_in_scope(certificate, canister_id)
        assert not any(is_in_scope(certificate, other) for other in OF_EACH if not own.has(other))


@pytest.mark.parametrize("number", range(3))
def test_queries_are_signed_by_nodes_of_the_subnet_that_has_the_canister(several, number):
    canister_id = several.installed(USER, COUNTER, OF_EACH[number])
    fields = several.query(USER, canister_id, "get").fields
    named = {"canister_id": canister_id, "method_name": "get", "arg": b"", "sender": USER.sender}
    signatures = tuple(NodeSignature(**one) for one in fields.pop("signatures"))
    signed = SignedResponse(several.content("query", **named), fields, signatures)
    verifiers = Verifiers(ROOT_KEY, verify_bls_signature, verify_plain_signature)
    for other, first in enumerate(OF_EACH):
        certificate = several.read(Anonymous(), first, (b"subnet",), version="v2").certificate
        assert verify_response(signed, certificate, canister_id, verifiers) == (other == number)


def test_canisters_of_different_subnets_call_each_other(several):
    caller = several.installed(USER, CALLER, OF_EACH[1])
    counter = several.installed(USER, COUNTER, OF_EACH[2])
    assert several.reply(several.call(USER, caller, "forward", counter)) is not None
    assert several.query(USER, counter, "get").fields["reply"]["arg"] == (1).to_bytes(4, "little")


def test_a_subnet_is_asked_at_its_own_endpoint_and_another_id_at_none(several):
    for own in several.engine.instance.network:
        answered = several.read(Anonymous(), own.subnet_id, (b"subnet", own.subnet_id), endpoint="subnet", version="v2")
        assert answered.value(b"subnet", own.subnet_id, b"public_key") == own.public_key
    nobody = numbered_id(3 * RANGE_SIZE)
    assert several.read(Anonymous(), nobody, (b"time",)).status == 400
    assert several.read(Anonymous(), nobody, (b"time",), endpoint="subnet").status == 400


def test_a_call_at_the_effective_id_of_another_subnet_is_refused(several):
    canister_id = several.installed(USER, COUNTER, OF_EACH[1])
    assert several.call(USER, canister_id, "inc", about=OF_EACH[2]).status == 400


def test_subnets_have_nodes_and_keys_of_their_own():
    network = list(network_with(3, NODES))
    assert network[0].subnet_id == ROOT.subnet_id
    assert len({one.public_key for one in network}) == 3
    assert [one.nodes for one in network] == [range(4), range(4, 8), range(8, 12)]


def test_the_command_serves_several_and_says_which_ids_each_has(tmp_path):
    with Served.begun(tmp_path, SERVE, "--subnets", "2", "--nodes", str(NODES)) as served:
        lines = [served.process.stdout.readline().decode().rstrip() for _ in range(3)]
    assert lines[:2] == told(network_with(2, NODES))
    assert principal_to_text(OF_EACH[1]) in lines[1]
    assert lines[2].startswith("serving on http://127.0.0.1:")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--subnets", "2", "--delegated"], "--subnets and --delegated do not go together"),
    ],
)
def test_what_does_not_go_together_is_told_in_one_line(arguments, words, capsys):
    assert main(arguments) == 2
    assert words in capsys.readouterr().err
