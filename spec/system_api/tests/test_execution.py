"""Every invocation starts with an execution state of its own."""

from collections.abc import Callable
from typing import Any

import pytest

from spec.canister.environment import Caller, Environment
from spec.canister.outcome import Returned
from spec.canister.wasm_state import WasmState
from spec.system_api.context import Context
from spec.system_api.execution_state import Execution, Parameters, start_execution
from spec.system_api.stable_pages import StablePages
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId


@pytest.mark.checklist("entry.execution-state")
def test_an_execution_starts_with_nothing_done(environment: Environment) -> None:
    state = WasmState(CanisterId(b"\x01"))
    started = start_execution(Context.UPDATE, Parameters(environment), state, False, 1_000)
    stable_memory = started.stable_memory
    assert isinstance(stable_memory, StablePages)
    assert started == Execution(
        context=Context.UPDATE,
        parameters=Parameters(environment),
        self_id=CanisterId(b"\x01"),
        wasm64=False,
        limit=1_000,
        stable_memory=stable_memory,
        response=None,
        reply_data=bytearray(),
        available_cycles=0,
        accepted_cycles=0,
        burned_cycles=0,
        pending_call=None,
        calls=[],
        new_certified_data=None,
        new_global_timer=None,
        message_accepted=False,
        logs=[],
    )


@pytest.mark.checklist("entry.execution-state")
def test_what_an_entry_point_is_not_given_is_empty(environment: Environment) -> None:
    assert Parameters(environment) == Parameters(
        environment,
        caller=Caller(MANAGEMENT_CANISTER, b"", b""),
        argument=b"",
        reject=None,
        refunded_cycles=0,
        method_name="",
        deadline=None,
        available_cycles=0,
    )


@pytest.mark.checklist("entry.execution-state")
def test_nothing_of_an_execution_is_there_in_the_next(canister: Callable[..., Any]) -> None:
    one = canister("""
        (func (export "canister_update leave")
          (call $msg_reply_data_append (i32.const 0) (i32.const 4))
          (call $call_new (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
        (func (export "canister_update look") (call $msg_reply))
        (func (export "canister_update perform") (drop (call $call_perform)))""")
    one.state = one.update("leave").new_state
    assert one.update("look").response.data == b""
    assert not isinstance(one.update("perform"), Returned)
