"""Modules that a canister may not have are refused, in one line."""

import gzip

import pytest
import wasmtime
from attrs import evolve

from reference_impl.wasm.running.module import load_module
from spec.canister.module import MalformedModule

REFUSED = {
    "the bytes are not valid": b"\0asm\x01\0\0\0\x01",
    "something else than a module": b"hello",
    "nothing": b"",
    "a broken gzip stream": gzip.compress(b"\0asm\x01\0\0\0")[:-3],
    "bytes after a gzip stream": gzip.compress(b"\0asm\x01\0\0\0") + b"more",
    "an unknown function": '(module (import "ic0" "unknown" (func)))',
    "another module": '(module (import "env" "msg_reply" (func)))',
    "a wrong type": '(module (import "ic0" "msg_reply" (func (param i32))))',
    "32-bit pointers in a 64-bit module": '(module (import "ic0" "root_key_size" (func (result i32))) (memory i64 1))',
    "a 32-bit function in a 64-bit module": '(module (import "ic0" "stable_size" (func (result i32))) (memory i64 1))',
    "an imported memory": '(module (import "ic0" "memory" (memory 1)))',
    "two memories": "(module (memory 1) (memory 1))",
    "an entry point with a parameter": '(module (func (export "canister_init") (param i32)))',
    "a method with a result": '(module (func (export "canister_update a") (result i32) i32.const 1))',
    "methods of one name": '(module (func (export "canister_update a")) (func (export "canister_query a")))',
    "a reserved name": '(module (func (export "canister_unknown")))',
    "a method without a space": '(module (func (export "canister_update")))',
    "public and private of one name": '(module (@custom "icp:public a" "") (@custom "icp:private a" ""))',
    "a reserved section": '(module (@custom "icp:other a" ""))',
    "a change of a table": "(module (table 1 funcref) (func (table.set 0 (i32.const 0) (ref.null func))))",
    "a data segment outside": '(module (memory 1) (data (i32.const 65535) "ab"))',
    "an element segment outside": "(module (table 1 funcref) (elem (i32.const 1) $f) (func $f))",
    "a computed constant": "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))",
    "a reference in a persistent global": "(module (global (mut funcref) (ref.null func)))",
    "too many pages": "(module (memory i64 98305))",
    "atomic instructions": "(module (memory 1 1 shared))",
    "exceptions": "(module (tag))",
    "relaxed vectors": "(module (func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))))",
    "too many globals": "(module " + "(global i32 (i32.const 0))" * 1001 + ")",
    "too many methods": "(module (func $f) "
    + "".join(f'(export "canister_query {i}" (func $f))' for i in range(1001))
    + ")",
    "method names that are too long": '(module (func (export "canister_query ' + "n" * 20001 + '")))',
    "too many sections": "(module " + "".join(f'(@custom "icp:public {i}" "")' for i in range(17)) + ")",
    "a function that is too complex": "(module (func " + "block end " * 20001 + "))",
    "too much in sections": '(module (@custom "icp:private a" "' + "x" * 2**20 + '"))',
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_module_is_refused_with(refusal, what) -> None:
    assert refusal(REFUSED[what])


def test_limits_are_those_of_the_profile(profile) -> None:
    module = bytes(
        wasmtime.wat2wasm("(module (func) (func nop nop) (global i32 (i32.const 0)) (global i32 (i32.const 0)))")
    )
    largest = {
        "functions": 2,
        "globals": 2,
        "function_instructions": 3,
        "function_complexity": 3,
        "module_size": len(module),
    }
    for name, value in largest.items():
        for given, is_refused in ((value, False), (value - 1, True)):
            changed = evolve(profile, limits=evolve(profile.limits, **{name: given}))
            assert isinstance(load_module(module, changed), MalformedModule) == is_refused, (name, given)


def test_a_packed_module_may_not_be_larger_than_the_limit_when_unpacked(profile) -> None:
    module = bytes(wasmtime.wat2wasm('(module (memory 1) (data (i32.const 0) "' + "a" * 5000 + '"))'))
    packed = gzip.compress(module)
    assert not isinstance(load_module(packed, profile), MalformedModule)
    small = evolve(profile, limits=evolve(profile.limits, module_size=5000))
    assert load_module(packed, small) == MalformedModule("the module is larger than 5000 bytes")


def test_what_is_allowed_is_shown(load) -> None:
    module = load(
        """(module (@custom "icp:public candid:service" "service") (@custom "icp:private p" "q") (@custom "name" "")
        (func (export "canister_update a b")) (func (export "canister_query "))
        (func (export "canister_composite_query c")) (func (export "canister_heartbeat"))
        (func (export "other") (param i32)) (memory (export "canister_memory") i64 1))"""
    )
    assert (module.update_methods, module.query_methods, module.composite_query_methods) == ({"a b"}, {""}, {"c"})
    assert module.public_custom_sections["candid:service"] == b"service"
    assert module.private_custom_sections["p"] == b"q"
    assert (module.has_heartbeat, module.has_global_timer, module.has_64_bit_memory) == (True, False, True)
