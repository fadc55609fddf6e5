"""What is measured does the same on both engines."""

import wasmtime

from properties.agreement.modules import load_pair, running_canister
from properties.bench.__main__ import SYSTEM_CALLS, with_stable_memory
from properties.bench.kernels import EMPTY, KERNELS, large, one_page, repeated
from properties.bench.messages import AIMS, measured
from spec.canister.outcome import Returned
from spec.profile import load_profile

PROFILE = load_profile()


def shortened(text: str) -> str:
    return text.replace("20000000", "200").replace("1250000", "125").replace("2500000", "250").replace("31)", "8)")


def test_programs_that_are_measured_return_on_both_engines() -> None:
    size = '(import "ic0" "msg_arg_data_size" (func $f (result i32)))'
    kernels = [shortened(text) for text in KERNELS.values()]
    for text in (*kernels, EMPTY, one_page(3), large(30), repeated(size, "(drop (call $f))", 10)):
        pair = load_pair(bytes(wasmtime.wat2wasm(text)), PROFILE)
        assert pair is not None
        assert isinstance(pair.update("go", pair.initial_state(), running_canister(PROFILE)), Returned)


def test_calls_of_the_system_api_that_are_measured_return_on_both_engines() -> None:
    for one in SYSTEM_CALLS:
        pair = load_pair(bytes(wasmtime.wat2wasm(with_stable_memory(one.imports, one.call, 3))), PROFILE)
        assert pair is not None, one
        outcome = pair.update("go", pair.initial_state(), running_canister(PROFILE), b"x" * 2000)
        assert isinstance(outcome, Returned), one


def test_every_kind_of_message_is_measured() -> None:
    figures = measured(repeated=1)
    assert figures.keys() == {"a bare call", *AIMS}
    assert all(figure > 0 for figure in figures.values())
