"""Functions of the instruction canister that show control: each takes two numbers of 64 bits and gives one."""

from typing import Final

CONTROL: Final[dict[str, str]] = {
    "branches_by_table": "br_table",
    "branches_with_values": "br_table",
    "leaves_blocks": "br_if",
    "drops_below_results": "br",
    "chooses": "if",
    "chooses_without_else": "if",
    "selects": "select",
    "selects_floats": "select",
    "selects_typed": "select (result t)",
    "counts": "loop",
    "loops_with_parameters": "loop",
    "nested_loops": "loop",
    "returns_early": "return",
    "swaps": "call",
    "recurs": "call",
    "calls_in_tail": "return_call",
    "calls_indirectly_in_tail": "return_call_indirect",
    "calls_indirectly": "call_indirect",
    "tees": "local.tee",
    "locals_are_zero": "local.get",
    "keeps_a_global": "global.get",
    "reads_constant_globals": "global.get",
    "keeps_order": "local.get",
    "does_nothing": "nop",
    "reaches": "unreachable",
}
"""The functions, and the instruction that each is about."""

CONTROL_FUNCTIONS: Final = """
  (global $kept (mut i64) (i64.const 7))
  (global $small (mut i32) (i32.const -1))
  (global $float (mut f64) (f64.const -0x0p+0))
  (global $constant i64 (i64.const -3))
  (table $callees funcref (elem $add $subtract $one $reaches))

  (func $add (type $binary) (i64.add (local.get 0) (local.get 1)))
  (func $subtract (type $binary) (i64.sub (local.get 0) (local.get 1)))

  ;; The index of br_table is unsigned, and the default takes what is beyond.
  (func $branches_by_table (type $binary)
    (block $other (block $third (block $second (block $first
      (br_table $first $second $third $first $other (i32.wrap_i64 (local.get 0))))
      (return (i64.const 100)))
      (return (i64.const 200)))
      (return (i64.const 300)))
    (i64.const 400))

  (func $branches_with_values (type $binary)
    (i64.add (i64.const 1)
      (block $outer (result i64)
        (i64.mul (i64.const 10)
          (block $inner (result i64)
            (i64.const 999)
            (br_table $inner $outer $inner (local.get 1) (i32.wrap_i64 (local.get 0))))))))

  (func $leaves_blocks (type $binary) (local $sum i64)
    (block $a
      (block $b
        (br_if $a (i64.eqz (local.get 0)))
        (br_if $b (i64.lt_s (local.get 0) (local.get 1)))
        (local.set $sum (i64.const 1)))
      (local.set $sum (i64.add (local.get $sum) (i64.const 10))))
    (i64.add (local.get $sum) (i64.const 100)))

  ;; A branch takes its results from the top and drops what is below them.
  (func $drops_below_results (type $binary)
    (i64.const 5)
    (block $out (result i64 i64)
      (i64.const 11) (i64.const 12) (i64.const 13)
      (local.get 0) (local.get 1)
      (br_if $out (i32.wrap_i64 (local.get 0)))
      (i64.const 1000)
      (br $out))
    i64.sub
    i64.mul)

  (func $chooses (type $binary)
    (local.get 1)
    (if (param i64) (result i64) (i32.wrap_i64 (local.get 0))
      (then (i64.const 3) i64.mul)
      (else (i64.const 4) i64.add)))

  (func $chooses_without_else (type $binary)
    (if (i64.gt_u (local.get 0) (local.get 1)) (then (local.set 0 (i64.const 9))))
    (local.get 0))

  (func $selects (type $binary)
    (select (local.get 0) (local.get 1) (i32.wrap_i64 (local.get 0))))

  (func $selects_floats (type $binary)
    (i64.reinterpret_f64
      (select (f64.reinterpret_i64 (local.get 0)) (f64.reinterpret_i64 (local.get 1)) (i64.eqz (local.get 0)))))

  (func $selects_typed (type $binary)
    (i64.extend_i32_s (ref.is_null
      (select (result funcref) (ref.func $add) (ref.null func) (i64.le_s (local.get 0) (local.get 1))))))

  (func $counts (type $binary) (local $sum i64) (local $turns i32)
    (loop $again
      (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 3)) (local.get 0)))
      (local.set $turns (i32.add (local.get $turns) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $turns) (i32.const 20))))
    (i64.xor (local.get $sum) (local.get 1)))

  (func $loops_with_parameters (type $binary) (local $turns i32)
    (local.get 0) (local.get 1)
    (loop $again (param i64 i64) (result i64)
      i64.add
      (local.tee 0)
      (local.get 0) (i64.const 1) i64.shr_u
      (local.set $turns (i32.add (local.get $turns) (i32.const 1)))
      (br_if $again (i32.ne (local.get $turns) (i32.const 5)))
      i64.sub))

  (func $nested_loops (type $binary) (local $outer i32) (local $inner i32)
    (block $done
      (loop $outwards
        (local.set $inner (i32.const 0))
        (loop $inwards
          (local.set 1 (i64.rotl (i64.add (local.get 1) (local.get 0)) (i64.const 5)))
          (local.set $inner (i32.add (local.get $inner) (i32.const 1)))
          (br_if $done (i64.eqz (local.get 1)))
          (br_if $inwards (i32.le_s (local.get $inner) (local.get $outer))))
        (local.set $outer (i32.add (local.get $outer) (i32.const 1)))
        (br_if $outwards (i32.lt_s (local.get $outer) (i32.const 4)))))
    (local.get 1))

  (func $returns_early (type $binary)
    (i64.const 1) (i64.const 2)
    (block (loop (br_if 1 (i64.ne (local.get 0) (i64.const 0))) (return (local.get 1))))
    i64.sub)

  (func $swaps (type $binary) (call $two_results (local.get 0) (local.get 1)) i64.sub)
  (func $two_results (param i64 i64) (result i64 i64) (local.get 1) (local.get 0))

  (func $recurs (type $binary) (call $fibonacci (i64.and (local.get 0) (i64.const 7))))
  (func $fibonacci (param i64) (result i64)
    (if (result i64) (i64.lt_u (local.get 0) (i64.const 2))
      (then (local.get 0))
      (else (i64.add
        (call $fibonacci (i64.sub (local.get 0) (i64.const 1)))
        (call $fibonacci (i64.sub (local.get 0) (i64.const 2)))))))

  ;; Tail calls use no stack: as many calls one in the other would trap.
  (func $calls_in_tail (type $binary) (return_call $descends (i64.const 3000) (local.get 0)))
  (func $descends (param $left i64) (param $sum i64) (result i64)
    (if (i64.eqz (local.get $left)) (then (return (local.get $sum))))
    (return_call $descends
      (i64.sub (local.get $left) (i64.const 1)) (i64.add (local.get $sum) (local.get $left))))

  (func $calls_indirectly_in_tail (type $binary)
    (return_call_indirect $callees (type $binary)
      (local.get 0) (local.get 1) (i32.and (i32.wrap_i64 (local.get 0)) (i32.const 1))))

  ;; Element 2 has another type, element 3 traps, and there are no more.
  (func $calls_indirectly (type $binary)
    (call_indirect $callees (type $binary) (local.get 0) (local.get 1) (i32.wrap_i64 (local.get 0))))

  (func $tees (type $binary)
    (i64.sub (local.tee 0 (local.get 1)) (i64.add (local.get 0) (i64.const 1))))

  (func $locals_are_zero (type $binary) (local $a i64) (local $b i32) (local $c f64) (local $d v128) (local $e funcref)
    (i64.or (i64.or (local.get $a) (i64.extend_i32_u (local.get $b)))
      (i64.or (i64.reinterpret_f64 (local.get $c))
        (i64.or (i64x2.extract_lane 1 (local.get $d)) (i64.extend_i32_u (ref.is_null (local.get $e)))))))

  (func $keeps_a_global (type $binary) (local $before i64)
    (local.set $before (global.get $kept))
    (global.set $kept (local.get 0))
    (global.set $float (f64.neg (global.get $float)))
    (global.set $small (i32.mul (global.get $small) (i32.const 3)))
    (i64.xor (i64.xor (local.get $before) (i64.reinterpret_f64 (global.get $float)))
      (i64.extend_i32_s (global.get $small))))

  (func $reads_constant_globals (type $binary) (i64.mul (global.get $constant) (local.get 0)))

  ;; Operands are evaluated from left to right.
  (func $keeps_order (type $binary)
    (i64.sub
      (i64.shl (local.tee 0 (i64.add (local.get 0) (i64.const 1))) (i64.const 3))
      (local.tee 0 (i64.mul (local.get 0) (local.get 1)))))

  (func $does_nothing (type $binary) nop (local.get 0) nop drop (local.get 1) nop)

  (func $reaches (type $binary) (if (i64.eqz (local.get 0)) (then unreachable)) (local.get 1))
"""
