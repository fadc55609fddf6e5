"""Modules that tests install, in the text format of WebAssembly."""

import wasmtime

IMPORTS = """
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_reject" (func $reject (param i32 i32)))
  (import "ic0" "trap" (func $trap (param i32 i32)))
  (import "ic0" "time" (func $time (result i64)))
  (import "ic0" "msg_arg_data_size" (func $size (result i32)))
  (import "ic0" "msg_arg_data_copy" (func $copy (param i32 i32 i32)))
  (import "ic0" "msg_method_name_size" (func $name (result i32)))
  (import "ic0" "accept_message" (func $accept))
  (import "ic0" "call_new" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ic0" "call_data_append" (func $data (param i32 i32)))
  (import "ic0" "call_cycles_add" (func $cycles (param i64)))
  (import "ic0" "call_perform" (func $perform (result i32)))
  (import "ic0" "msg_reject_code" (func $code (result i32)))
  (import "ic0" "msg_reject_msg_size" (func $message_size (result i32)))
  (import "ic0" "msg_reject_msg_copy" (func $message (param i32 i32 i32)))
  (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
"""

COUNTER = bytes(
    wasmtime.wat2wasm(f"""(module {IMPORTS}
  (memory 1)
  (data (i32.const 8) "no")
  (func $answer (call $append (i32.const 0) (i32.const 4)) (call $reply))
  (func (export "canister_inspect_message") (if (i32.ne (call $name) (i32.const 7)) (then (call $accept))))
  (func (export "canister_update inc")
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
    (call $answer))
  (func (export "canister_update refused") (call $answer))
  (func (export "canister_update reject") (call $reject (i32.const 8) (i32.const 2)))
  (func (export "canister_update trap") (call $trap (i32.const 8) (i32.const 2)))
  (func (export "canister_update fault") unreachable)
  (func (export "canister_update silent"))
  (func (export "canister_query get") (call $answer))
  (func (export "canister_query now")
    (i64.store (i32.const 16) (call $time))
    (call $append (i32.const 16) (i32.const 8))
    (call $reply)))""")
)
"""A counter. Its inspection refuses one method."""


def caller_of(callee: bytes, method: str, cycles: int = 0, transforms: str = "") -> bytes:
    """A module whose method `ask` sends its argument on, and answers as it was answered: with a code if rejected."""
    callee_text = "".join(f"\\{byte:02x}" for byte in callee)
    return bytes(
        wasmtime.wat2wasm(f"""(module {IMPORTS}
  (memory 2)
  (table funcref (elem $on_reply $on_reject))
  (data (i32.const 0) "{callee_text}")
  (data (i32.const 64) "{method}")
  (func $on_reply (param i32)
    (call $copy (i32.const 1024) (i32.const 0) (call $size))
    (call $append (i32.const 1024) (call $size))
    (call $reply))
  (func $on_reject (param i32)
    (i32.store (i32.const 1024) (call $code))
    (call $message (i32.const 1028) (i32.const 0) (call $message_size))
    (call $append (i32.const 1024) (i32.add (i32.const 4) (call $message_size)))
    (call $reply))
  (func (export "canister_update ask")
    (call $copy (i32.const 1024) (i32.const 0) (call $size))
    (call $call (i32.const 0) (i32.const {len(callee)}) (i32.const 64) (i32.const {len(method)})
      (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0))
    (call $data (i32.const 1024) (call $size))
    (call $cycles (i64.const {cycles}))
    (drop (call $perform)))
  {transforms})""")
    )
