"""Rewritten modules of scripts share memories, tables and globals, as modules that are not rewritten do."""

import pytest
import wasmtime

from properties.agreement.official_scripts import RewrittenScript
from spec.profile import load_profile
from spec.tooling.wast.script import Report, run_script
from spec.tooling.wast.script_link import InterpretedScript
from spec.tooling.wast.script_text import groups

EXPORTER = """
(module $all
  (memory (export "memory") 1 3) (table (export "table") 4 8 funcref)
  (global (export "place") i32 (i32.const 8)) (global $level (export "level") (mut i32) (i32.const 5))
  (type $number (func (result i32)))
  (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "level of own") (result i32) (global.get $level))
  (func (export "pages") (result i32) (memory.size))
  (func (export "call") (param i32) (result i32) (call_indirect (type $number) (local.get 0))))
(register "all" $all)
"""
IMPORTER = """
(module $some
  (import "all" "load" (func $load (param i32) (result i32)))
  (import "all" "memory" (memory 1)) (import "all" "table" (table 2 funcref))
  (import "all" "place" (global $place i32)) (import "all" "level" (global $level (mut i32)))
  (global $again i32 (global.get $place)) (global $own (mut i32) (i32.const 3))
  (func $seven (result i32) (i32.const 7))
  (elem (i32.const 1) func $seven) (data (global.get $place) "xyz")
  (func (export "through") (param i32) (result i32) (call $load (local.get 0)))
  (func (export "again") (result i32) (global.get $again))
  (func (export "own") (result i32) (global.get $own))
  (func (export "raise") (global.set $level (i32.add (global.get $level) (i32.const 1))))
  (func (export "grow") (result i32) (memory.grow (i32.const 1))))
"""
FACTS = {
    "a data segment stands at the place of an imported global": """
        (assert_return (invoke $all "load" (i32.const 9)) (i32.const 121))
        (assert_return (invoke $some "through" (i32.const 8)) (i32.const 120))""",
    "elements are called by those that own the table": """
        (assert_return (invoke $all "call" (i32.const 1)) (i32.const 7))
        (assert_trap (invoke $all "call" (i32.const 0)) "uninitialized element")""",
    "globals have the values of others, and their own": """
        (assert_return (invoke $some "again") (i32.const 8)) (assert_return (invoke $some "own") (i32.const 3))
        (invoke $some "raise") (assert_return (invoke $all "level of own") (i32.const 6))
        (assert_return (get $all "level") (i32.const 6))""",
    "a memory grows for all": """
        (assert_return (invoke $some "grow") (i32.const 1)) (assert_return (invoke $all "pages") (i32.const 2))
        (assert_return (invoke $some "grow") (i32.const 2)) (assert_return (invoke $some "grow") (i32.const -1))""",
    "what does not fit is refused": """
        (assert_unlinkable (module (import "all" "memory" (memory 2))) "incompatible import type")
        (assert_unlinkable (module (import "all" "memory" (memory 1 2))) "incompatible import type")
        (assert_unlinkable (module (import "all" "table" (table 5 funcref))) "incompatible import type")
        (assert_unlinkable (module (import "all" "table" (table 4 externref))) "incompatible import type")
        (assert_unlinkable (module (import "all" "level" (global i32))) "incompatible import type")
        (assert_unlinkable (module (import "all" "nothing" (memory 1))) "unknown import")""",
    "what segments wrote before one that does not fit stays, and can be called": """
        (assert_trap (module (import "all" "table" (table 4 funcref)) (import "all" "memory" (memory 1))
            (func $nine (result i32) (i32.const 9)) (elem (i32.const 2) func $nine)
            (data (i32.const 20) "v") (data (i32.const 65536) "w")) "out of bounds memory access")
        (assert_return (invoke $all "call" (i32.const 2)) (i32.const 9))
        (assert_return (invoke $all "load" (i32.const 20)) (i32.const 118))
        (assert_trap (module (import "all" "table" (table 4 funcref))
            (func $ten (result i32) (i32.const 10)) (elem (i32.const 3) func $ten $ten)) "out of bounds table access")
        (assert_trap (invoke $all "call" (i32.const 3)) "uninitialized element")""",
    "spectest has a memory, tables and globals": """
        (module (import "spectest" "memory" (memory 1 2)) (import "spectest" "table" (table 10 20 funcref))
            (import "spectest" "global_i64" (global i64)) (func (export "size") (result i64) (global.get 0)))
        (assert_return (invoke "size") (i64.const 666))""",
}


@pytest.mark.parametrize("fact", FACTS)
@pytest.mark.parametrize("engine", ["rewritten", "interpreted"])
def test_modules_share(fact: str, engine: str) -> None:
    report = Report()
    script = RewrittenScript(load_profile("production").limits) if engine == "rewritten" else InterpretedScript()
    text = EXPORTER + IMPORTER + FACTS[fact]
    run_script(fact, text, lambda text: bytes(wasmtime.wat2wasm(text)), report, script)
    assert (report.failures, report.skipped) == ([], {})
    assert report.passed == sum(command.head != "register" for command in groups(text))
