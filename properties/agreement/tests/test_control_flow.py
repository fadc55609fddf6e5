"""Random blocks, loops and branches are charged alike by both engines, wherever they end."""

from collections import Counter
from random import Random

import pytest
import wasmtime
from attrs import evolve

from properties.agreement.modules import load_pair, running_canister
from spec.canister.outcome import Returned, Trapped
from spec.profile import load_profile

PROFILE = load_profile()
ENVIRONMENT = running_canister(PROFILE)
PROGRAMS = 60

HEAD = """
    (import "ic0" "performance_counter" (func $counter (param i32) (result i64)))
    (import "ic0" "canister_cycle_balance128" (func $by_host (param i32)))
    (memory 1) (global $seen (mut i64) (i64.const 0)) (table 1 funcref) (elem (i32.const 0) $see)
    (global $turns (mut i32) (i32.const 300)) (global $bit (mut i32) (i32.const 0))
    (global $state (mut i32) (i32.const SEED))
    (func $see (global.set $seen (i64.add (i64.mul (global.get $seen) (i64.const 31)) (call $counter (i32.const 0)))))
    (func $tired (result i32)
      (global.set $turns (i32.sub (global.get $turns) (i32.const 1))) (i32.lt_s (global.get $turns) (i32.const 0)))
    (func $coin (result i32)
      (global.set $state (i32.add (i32.mul (global.get $state) (i32.const 1103515245)) (i32.const 12345)))
      (global.set $bit (i32.and (i32.shr_u (global.get $state) (i32.const 20)) (i32.const 1)))
      (if (call $tired) (then (return (i32.const 1))))
      (i32.and (i32.shr_u (global.get $state) (i32.const 16)) (i32.const 1)))"""
"""`$see` mixes the counter into a global, `$coin` is random and `$bit` too, `$tired` ends loops."""

SIMPLE = (
    "(nop)",
    "(nop) (nop) (nop)",
    "(call $see)",
    "(call_indirect (i32.const 0)) (call $see)",
    "(call $by_host (i32.const 8))",
    "(i64.store (i32.const 8) (i64.const 1))",
    "(memory.fill (i32.const 8) (i32.const 1) (i32.const 9))",
    "(drop (memory.grow (i32.const 0)))",
    "(if (call $coin) (then (return)))",
    "(if (call $coin) (then (if (call $coin) (then (nop) (drop (i32.load (i32.const 65533)))))))",
    "(if (call $coin) (then (if (call $coin) (then (if (call $coin) (then (unreachable)))))))",
)


class Writer:
    """Writes the statements of one function."""

    def __init__(self, random: Random, has_branch_tables: bool) -> None:
        self.random = random
        self.has_branch_tables = has_branch_tables

    def statements(self, depth: int, labels: int) -> str:
        return " ".join(self.statement(depth, labels) for _ in range(self.random.randint(1, 5)))

    def statement(self, depth: int, labels: int) -> str:
        kind = self.random.choice(("simple", "branch", *("nested" for _ in range(depth))))
        if kind == "simple" or kind == "branch" and not labels:
            return self.random.choice(SIMPLE)
        return self.branch(labels) if kind == "branch" else self.nested(depth - 1, labels)

    def branch(self, labels: int) -> str:
        target = self.random.randrange(labels)
        forms = [
            f"(br_if {target} (global.get $bit))",
            f"(br_if {target} (call $coin))",
            f"(if (global.get $bit) (then (nop) (br {target + 1})))",
            f"(if (call $coin) (then (br {target + 1})) (else (nop)))",
        ]
        if self.has_branch_tables:
            targets = " ".join(str(self.random.randrange(labels)) for _ in range(4))
            forms.append(f"(br_table {targets} (i32.add (call $coin) (call $coin)))")
        return self.random.choice(forms)

    def nested(self, depth: int, labels: int) -> str:
        inner, other = self.statements(depth, labels + 1), self.statements(depth, labels + 1)
        return self.random.choice(
            (
                f"(block {inner})",
                f"(block (loop (br_if 1 (call $tired)) {self.statements(depth, labels + 2)}))",
                f"(if (global.get $bit) (then {inner}))",
                f"(if (call $coin) (then {inner}) (else {other}))",
            )
        )


def program(seed: int) -> str:
    random = Random(seed)
    functions = [Writer(random, has_branch_tables=random.random() < 0.3).statements(4, 0) for _ in range(2)]
    return f"""(module {HEAD.replace("SEED", str(seed))} (func $f {functions[0]}) (func $g {functions[1]})
        (func (export "canister_update go")
          (call $f) (call $see) (call $g) (call $see) (call $f) (call $g) (call $see)))"""


@pytest.mark.parametrize("part", range(4))
def test_random_control_flow_is_charged_alike(part: int) -> None:
    ends: Counter[object] = Counter()
    for seed in range(part * PROGRAMS, (part + 1) * PROGRAMS):
        pair = load_pair(bytes(wasmtime.wat2wasm(program(seed))), PROFILE)
        assert pair is not None
        whole = pair.update("go", pair.initial_state(), ENVIRONMENT)
        random = Random(seed)
        limits = [random.randint(1, whole.instructions_used) for _ in range(4)]
        outcomes = [
            pair.update("go", pair.initial_state(), evolve(ENVIRONMENT, instruction_limit=limit)) for limit in limits
        ]
        for outcome in (whole, *outcomes):
            ends[outcome.reason if isinstance(outcome, Trapped) else Returned] += 1
        ends["long"] += whole.instructions_used > 2_000
        ends["repeated"] += bool(pair.reference.compiled.exact)
    print(ends)
    assert len(ends) == 5
    assert min(ends.values()) >= 5
