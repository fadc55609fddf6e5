"""The scripted canister calls, handles responses, and asks the rest of the System API."""

import pytest
import wasmtime

from conformance.canisters import ic0
from conformance.canisters.scripted import (
    NOTHING,
    RELAY_REPLY,
    bytes_of_u32,
    call,
    concat,
    perform_or,
    program,
    repeat,
    reply,
    set_slot,
    slot,
)
from conformance.canisters.tests.hosting import (
    AMOUNTS,
    BLOBS,
    INTEGERS,
    PEER,
    CallbackHost,
    Host,
    begin_calls,
    value_of,
)

# Calls


def test_a_call_passes_its_parameters_to_the_system():
    host = Host()
    host.update(
        call(PEER, "update", b"argument", cycles=2**70, timeout_seconds=30, on_reply=RELAY_REPLY, on_cleanup=b"")
    )
    names = [entry[0] for entry in host.log]
    assert host.log[0][:3] == ("call_new", PEER, b"update")
    assert host.log[0][3] == 200 and host.log[0][5] == 201 and host.log[1][1] == 202
    assert host.log[2:] == [
        ("call_data_append", b"argument"),
        ("call_with_best_effort_response", 30),
        ("call_cycles_add128", 2**70),
        ("call_perform",),
    ]
    assert names[1] == "call_on_cleanup"
    host.update(call(PEER, "update"))
    assert [entry[0] for entry in host.log] == ["call_new", "call_perform"]


def test_a_call_that_the_system_refuses_traps_unless_the_program_says_what_to_do():
    with pytest.raises(wasmtime.Trap, match="the call was not taken"):
        Host(perform_code=2).update(call(PEER, "update"))
    assert Host(perform_code=2).update(call(PEER, "update", if_refused=reply(b"refused"))) == b"refused"
    assert Host().update(call(PEER, "update", if_refused=reply(b"refused"))) is None


def test_closures_of_any_index_can_be_given():
    host = Host()
    host.update(
        ic0.call_new_with_closures(PEER, b"m", 1, 2, 3, 4),
        ic0.call_on_cleanup_with_closure(5, 6),
        ic0.call_cycles_add(7),
        perform_or(NOTHING),
    )
    assert host.log == [
        ("call_new", PEER, b"m", 1, 2, 3, 4),
        ("call_on_cleanup", 5, 6),
        ("call_cycles_add", 7),
        ("call_perform",),
    ]


def test_each_callback_runs_its_program_once():
    for kind in ("reply", "reject", "cleanup"):
        host = CallbackHost()
        first, second = begin_calls(host, 2)
        assert host.callback(kind, first) == kind.encode()
        assert host.callback(kind, first) is None
        assert host.callback(kind, second) == kind.encode()


def test_reply_callbacks_see_the_reply():
    host = CallbackHost()
    host.update(call(PEER, "update", on_reply=program(set_slot(0, ic0.msg_arg_data()), reply(slot(0)))))
    assert host.callback("reply", int(str(host.log[0][4])), b"from the peer") == b"from the peer"
    assert host.update(reply(slot(0))) == b"from the peer"


def test_records_of_answered_calls_are_used_again():
    host = CallbackHost()
    (first,) = begin_calls(host, 1)
    host.callback("reject", first)
    again = begin_calls(host, 2)
    assert again[0] == first and again[1] != first
    assert host.callback("reply", again[1]) == b"reply"


def test_records_of_calls_that_were_not_made_are_used_again():
    host = CallbackHost(perform_code=1)
    host.update(repeat(3, call(PEER, "update", on_reply=b"x" * 50, if_refused=NOTHING)))
    assert len({entry[4] for entry in host.log if entry[0] == "call_new"}) == 1
    host.update(ic0.call_new(PEER, b"m", b"", b"", b""))
    host.update(ic0.call_new(PEER, b"m", b"", b"", b""), ic0.call_new(PEER, b"n", b"", b"", b""))
    assert host.log[0][4] == host.log[1][4]
    host.perform_code = 0
    assert len(set(begin_calls(host, 3))) == 3


def test_callbacks_of_calls_that_an_upgrade_forgot_do_nothing():
    host = CallbackHost()
    (environment,) = begin_calls(host, 1)
    host.heap = bytes(65536)
    assert host.callback("reply", environment) is None
    assert host.callback("reply", 2**32 - 1) is None
    assert begin_calls(host, 1) == [environment]


# The rest of the System API


@pytest.mark.parametrize("name", sorted(BLOBS))
def test_a_blob_of_the_system_is_left_whole(name):
    assert Host().update(reply(getattr(ic0, name)())) == BLOBS[name]


@pytest.mark.parametrize("name", sorted(INTEGERS))
def test_an_integer_of_the_system_is_left(name):
    assert value_of(getattr(ic0, name)()) == INTEGERS[name]


@pytest.mark.parametrize("name", sorted(AMOUNTS))
def test_an_amount_of_the_system_is_left(name):
    assert Host().update(reply(getattr(ic0, name)())) == AMOUNTS[name].to_bytes(16, "little")


def test_functions_with_operands_pass_them_in_order():
    host = Host()
    ninety_nine = (99).to_bytes(16, "little")
    for function in (ic0.msg_cycles_accept128, ic0.cycles_burn128):
        assert host.update(reply(function(2**64 * 3 + 4))) == ninety_nine
        assert host.log == [(function.__name__, 3, 4)]
    for function in (ic0.cost_call, ic0.cost_http_request):
        assert host.update(reply(function(3, 4))) == ninety_nine
        assert host.log == [(function.__name__, 3, 4)]
    for function in (ic0.cost_sign_with_ecdsa, ic0.cost_sign_with_schnorr, ic0.cost_vetkd_derive_key):
        assert host.update(reply(function(b"key_1", 5))) == bytes(4) + (77).to_bytes(16, "little")
        assert host.log == [(function.__name__, b"key_1", 5)]
    for function in (ic0.msg_cycles_accept, ic0.global_timer_set, ic0.performance_counter):
        assert host.update(reply(bytes_of_u32(function(1)))) == b"\3\0\0\0"
        assert host.log == [(function.__name__, 1)]
    host.update(ic0.certified_data_set(b"certified"), ic0.debug_print(b"printed"), ic0.accept_message())
    assert host.log == [("certified_data_set", b"certified"), ("debug_print", b"printed"), ("accept_message",)]
    assert [value_of(ic0.is_controller(who)) for who in (b"controller", b"other")] == [1, 0]


def test_environment_variables_are_read_by_index_and_by_name():
    assert Host().update(reply(concat(ic0.env_var_name(0), ic0.env_var_value(b"COLOUR")))) == b"COLOURgreen"
    assert [value_of(ic0.env_var_name_exists(name)) for name in (b"COLOUR", b"SHAPE")] == [1, 0]
