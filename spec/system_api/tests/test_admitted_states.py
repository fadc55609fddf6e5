"""Which states a module admits: the types of its globals and the size of its heap."""

import pytest
import wasmtime

from spec.canister.module import MalformedModule
from spec.profile import load_profile
from spec.system_api.module import parse_module
from spec.values.canister_terms import GlobalType
from spec.values.containers import List


def parsed(text):
    module = parse_module(bytes(wasmtime.wat2wasm(f"(module {text})")), load_profile())
    assert not isinstance(module, MalformedModule)
    return module


@pytest.mark.checklist("rule.mgmt.load-snapshot.conditions")
def test_the_types_of_kept_globals_are_listed_in_their_order():
    module = parsed("""
        (global (mut i64) (i64.const 1))
        (global i32 (i32.const 2))
        (global (export "shown") f32 (f32.const 3))
        (global (mut f64) (f64.const 4))
    """)
    assert module.global_types == List.of(GlobalType.I64, GlobalType.F32, GlobalType.F64)
    assert len(module.global_types) == len(module.initial.globals)


@pytest.mark.parametrize(
    ("memory", "admitted", "refused"),
    [
        ("", [0], [1]),
        ("(memory 2)", [2, 65_536], [1, 65_537]),
        ("(memory 2 5)", [2, 5], [1, 6]),
        ("(memory i64 2)", [2, 70_000], [1]),
    ],
)
def test_a_heap_has_a_size_between_the_least_and_the_greatest_declared(memory, admitted, refused):
    module = parsed(memory)
    assert all(module.admits_heap(pages) for pages in admitted)
    assert not any(module.admits_heap(pages) for pages in refused)
