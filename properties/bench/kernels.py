"""Programs that are measured."""

from typing import Final

_GLOBALS: Final = "(; globals ;)"
_PADDING: Final = "(; padding ;)"
"""Comments where padding can be put in."""

SUM: Final = f"""(module (memory 1) {_GLOBALS} (func (export "canister_update go") (local $i i32) (local $sum i64)
    {_PADDING}
    (loop $next
      (local.set $sum (i64.mul (local.get $sum) (i64.const 6364136223846793005)))
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (local.get $i))))
      (local.set $sum (i64.xor (local.get $sum) (i64.shr_u (local.get $sum) (i64.const 29))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20000000))))
    (i64.store (i32.const 0) (local.get $sum))))"""
"""A loop of 64-bit arithmetic."""

SIEVE: Final = f"""(module (memory 40) {_GLOBALS} (func (export "canister_update go") (local $p i32) (local $i i32)
    {_PADDING}
    (local.set $p (i32.const 2))
    (loop $prime
      (if (i32.eqz (i32.load8_u (local.get $p))) (then
        (local.set $i (i32.mul (local.get $p) (i32.const 2)))
        (loop $multiple
          (if (i32.lt_u (local.get $i) (i32.const 2500000)) (then
            (i32.store8 (local.get $i) (i32.const 1))
            (local.set $i (i32.add (local.get $i) (local.get $p)))
            (br $multiple))))))
      (br_if $prime (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 1))) (i32.const 1250000))))))"""
"""Loops that write to memory."""


def _fibonacci(called: str, place: str, table: str) -> str:
    """Recursion through some kind of call, which has its last operand after the argument."""
    return f"""(module (memory 1) {table} {_GLOBALS} (func $fibonacci (param $n i32) (result i32)
      (if (result i32) (i32.lt_u (local.get $n) (i32.const 2)) (then (local.get $n)) (else
        (i32.add ({called} (i32.sub (local.get $n) (i32.const 1)) {place})
                 ({called} (i32.sub (local.get $n) (i32.const 2)) {place})))))
    (func (export "canister_update go") {_PADDING} (i32.store (i32.const 0) (call $fibonacci (i32.const 31)))))"""


CALLS: Final = _fibonacci("call $fibonacci", "", "")
"""Recursion."""

INDIRECT_CALLS: Final = _fibonacci(
    "call_indirect (param i32) (result i32)", "(i32.const 0)", "(table 1 funcref) (elem (i32.const 0) $fibonacci)"
)
"""Recursion through a table."""

KERNELS: Final = {"arithmetic": SUM, "memory": SIEVE, "calls": CALLS, "calls through a table": INDIRECT_CALLS}


def placed(text: str, padding: int) -> str:
    """
    A kernel with so many stores to globals at its start, which move the code of its loops by some ten bytes each.

    How fast a loop of a few instructions runs depends on where it lies in the processor's cache lines, by a third.
    """
    declared = "(global (mut i32) (i32.const 0))" * padding
    stores = " ".join(f"(global.set {index} (i32.const {index}))" for index in range(padding))
    return text.replace(_GLOBALS, declared).replace(_PADDING, stores)


EMPTY: Final = '(module (func (export "canister_update go")))'


def one_page(pages: int) -> str:
    """Changes one page of a heap of so many WebAssembly pages."""
    return f"""(module (memory {pages}) (func (export "canister_update go")
        (i32.store (i32.const 5000) (i32.add (i32.const 1) (i32.load (i32.const 5000))))))"""


def repeated(imports: str, body: str, turns: int, start: str = "") -> str:
    """Runs a body many times, after something that is done once."""
    return f"""(module {imports} (memory 2) (func (export "canister_update go") (local $i i32) {start}
        (loop $next {body}
          (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {turns}))))))"""


def large(functions: int) -> str:
    """A module of many functions with loops, branches, calls and accesses to memory."""
    bodies = (
        f"""(func $f{index} (param $a i32) (param $b i64) (result i64) (local $i i32)
        (loop $next
          (local.set $b (i64.add (local.get $b)
            (i64.load offset={index % 4096} (i32.and (local.get $i) (i32.const 4095)))))
          (if (i32.gt_u (local.get $a) (i32.const {index})) (then
            (i32.store (i32.and (local.get $a) (i32.const 65528)) (i32.wrap_i64 (local.get $b)))
            (local.set $a (i32.sub (local.get $a) (i32.const {index + 1}))))
          (else (local.set $b (i64.rotl (i64.xor (local.get $b) (i64.const {index * 7919})) (i64.const 11)))))
          (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 16))))
        (if (result i64) (i32.eqz (local.get $a)) (then (local.get $b))
          (else (call $f{max(0, index - 1)} (i32.shr_u (local.get $a) (i32.const 1)) (local.get $b)))))"""
        for index in range(functions)
    )
    return f'(module (memory 2) {" ".join(bodies)} (func (export "canister_update go")))'


BEATING: Final = '(module (func (export "canister_heartbeat")))'
"""Does nothing, at each time."""


def messages(callee: bytes) -> str:
    """Methods that do as little as messages can: reply, write a page, ask the host, call another canister."""
    written = "".join(f"\\{byte:02x}" for byte in callee)
    return f"""(module
        (import "ic0" "msg_reply" (func $reply))
        (import "ic0" "env_var_name_exists" (func $exists (param i32 i32) (result i32)))
        (import "ic0" "call_new" (func $new (param i32 i32 i32 i32 i32 i32 i32 i32)))
        (import "ic0" "call_perform" (func $perform (result i32)))
        (memory 2) (table 1 funcref) (elem (i32.const 0) $answered)
        (data (i32.const 0) "{written}") (data (i32.const 64) "empty")
        (func $answered (param i32) (call $reply))
        (func (export "canister_update empty") (call $reply))
        (func (export "canister_query look") (call $reply))
        (func (export "canister_update page")
          (i32.store (i32.const 5000) (i32.add (i32.const 1) (i32.load (i32.const 5000)))) (call $reply))
        (func (export "canister_update host") (drop (call $exists (i32.const 64) (i32.const 5))) (call $reply))
        (func (export "canister_update call")
          (call $new (i32.const 0) (i32.const {len(callee)}) (i32.const 64) (i32.const 5)
            (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
          (drop (call $perform))))"""
