;; The scripted canister: it executes the program that it is given as argument.
;;
;; A program is a sequence of operations: one byte that says which, then its immediate operands, little-endian. An
;; operation takes its other operands from a stack and leaves its result there. An entry of the stack has 64 bits: an
;; integer, or a byte string as its address (low half) and its length (high half). Nothing says which of the two an
;; entry is; the assembler sees to it.
;;
;; Memory, in bytes:
;;       0 ..    16  scratch
;;      16 ..    20  the end of what must last until the next execution; 0 stands for 16384
;;      20 ..    24  the first free call record
;;      32 ..   128  stored programs ("hooks"), 12 bytes each: address, length, capacity
;;     128 ..  1024  texts
;;    1024 ..  3072  counters, 8 bytes each
;;    3072 ..  6144  slots, 12 bytes each: address, length, capacity
;;    6144 .. 16384  the stack
;;   16384 ..        what is allocated, upwards; what lies beyond the lasting end is given back when an execution ends
;;
;; A call record holds the programs of one call's callbacks; its address is what the closures are given:
;;   0 state, 4 next free record, 8 capacity, 12 length of on_reply, 16 of on_reject, 20 of on_cleanup, 24 the programs.
;; A callback whose record is not live any more, for example because an upgrade cleared the heap, does nothing.
(module
  (import "ic0" "msg_arg_data_size" (func $msg_arg_data_size (result i32)))
  (import "ic0" "msg_arg_data_copy" (func $msg_arg_data_copy (param i32 i32 i32)))
  (import "ic0" "msg_caller_size" (func $msg_caller_size (result i32)))
  (import "ic0" "msg_caller_copy" (func $msg_caller_copy (param i32 i32 i32)))
  (import "ic0" "msg_caller_info_data_size" (func $msg_caller_info_data_size (result i32)))
  (import "ic0" "msg_caller_info_data_copy" (func $msg_caller_info_data_copy (param i32 i32 i32)))
  (import "ic0" "msg_caller_info_signer_size" (func $msg_caller_info_signer_size (result i32)))
  (import "ic0" "msg_caller_info_signer_copy" (func $msg_caller_info_signer_copy (param i32 i32 i32)))
  (import "ic0" "msg_reject_code" (func $msg_reject_code (result i32)))
  (import "ic0" "msg_reject_msg_size" (func $msg_reject_msg_size (result i32)))
  (import "ic0" "msg_reject_msg_copy" (func $msg_reject_msg_copy (param i32 i32 i32)))
  (import "ic0" "msg_deadline" (func $msg_deadline (result i64)))
  (import "ic0" "msg_reply_data_append" (func $msg_reply_data_append (param i32 i32)))
  (import "ic0" "msg_reply" (func $msg_reply))
  (import "ic0" "msg_reject" (func $msg_reject (param i32 i32)))
  (import "ic0" "msg_cycles_available128" (func $msg_cycles_available128 (param i32)))
  (import "ic0" "msg_cycles_refunded128" (func $msg_cycles_refunded128 (param i32)))
  (import "ic0" "msg_cycles_accept128" (func $msg_cycles_accept128 (param i64 i64 i32)))
  (import "ic0" "msg_cycles_available" (func $msg_cycles_available (result i64)))
  (import "ic0" "msg_cycles_refunded" (func $msg_cycles_refunded (result i64)))
  (import "ic0" "msg_cycles_accept" (func $msg_cycles_accept (param i64) (result i64)))
  (import "ic0" "cycles_burn128" (func $cycles_burn128 (param i64 i64 i32)))
  (import "ic0" "canister_self_size" (func $canister_self_size (result i32)))
  (import "ic0" "canister_self_copy" (func $canister_self_copy (param i32 i32 i32)))
  (import "ic0" "canister_cycle_balance128" (func $canister_cycle_balance128 (param i32)))
  (import "ic0" "canister_liquid_cycle_balance128" (func $canister_liquid_cycle_balance128 (param i32)))
  (import "ic0" "canister_cycle_balance" (func $canister_cycle_balance (result i64)))
  (import "ic0" "canister_status" (func $canister_status (result i32)))
  (import "ic0" "canister_version" (func $canister_version (result i64)))
  (import "ic0" "subnet_self_size" (func $subnet_self_size (result i32)))
  (import "ic0" "subnet_self_copy" (func $subnet_self_copy (param i32 i32 i32)))
  (import "ic0" "msg_method_name_size" (func $msg_method_name_size (result i32)))
  (import "ic0" "msg_method_name_copy" (func $msg_method_name_copy (param i32 i32 i32)))
  (import "ic0" "accept_message" (func $accept_message))
  (import "ic0" "call_new" (func $call_new (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ic0" "call_on_cleanup" (func $call_on_cleanup (param i32 i32)))
  (import "ic0" "call_data_append" (func $call_data_append (param i32 i32)))
  (import "ic0" "call_with_best_effort_response" (func $call_with_best_effort_response (param i32)))
  (import "ic0" "call_cycles_add128" (func $call_cycles_add128 (param i64 i64)))
  (import "ic0" "call_cycles_add" (func $call_cycles_add (param i64)))
  (import "ic0" "call_perform" (func $call_perform (result i32)))
  (import "ic0" "stable64_size" (func $stable64_size (result i64)))
  (import "ic0" "stable64_grow" (func $stable64_grow (param i64) (result i64)))
  (import "ic0" "stable64_write" (func $stable64_write (param i64 i64 i64)))
  (import "ic0" "stable64_read" (func $stable64_read (param i64 i64 i64)))
  (import "ic0" "stable_size" (func $stable_size (result i32)))
  (import "ic0" "stable_grow" (func $stable_grow (param i32) (result i32)))
  (import "ic0" "stable_write" (func $stable_write (param i32 i32 i32)))
  (import "ic0" "stable_read" (func $stable_read (param i32 i32 i32)))
  (import "ic0" "root_key_size" (func $root_key_size (result i32)))
  (import "ic0" "root_key_copy" (func $root_key_copy (param i32 i32 i32)))
  (import "ic0" "certified_data_set" (func $certified_data_set (param i32 i32)))
  (import "ic0" "data_certificate_present" (func $data_certificate_present (result i32)))
  (import "ic0" "data_certificate_size" (func $data_certificate_size (result i32)))
  (import "ic0" "data_certificate_copy" (func $data_certificate_copy (param i32 i32 i32)))
  (import "ic0" "time" (func $time (result i64)))
  (import "ic0" "global_timer_set" (func $global_timer_set (param i64) (result i64)))
  (import "ic0" "performance_counter" (func $performance_counter (param i32) (result i64)))
  (import "ic0" "is_controller" (func $is_controller (param i32 i32) (result i32)))
  (import "ic0" "in_replicated_execution" (func $in_replicated_execution (result i32)))
  (import "ic0" "cost_call" (func $cost_call (param i64 i64 i32)))
  (import "ic0" "cost_create_canister" (func $cost_create_canister (param i32)))
  (import "ic0" "cost_http_request" (func $cost_http_request (param i64 i64 i32)))
  (import "ic0" "cost_sign_with_ecdsa" (func $cost_sign_with_ecdsa (param i32 i32 i32 i32) (result i32)))
  (import "ic0" "cost_sign_with_schnorr" (func $cost_sign_with_schnorr (param i32 i32 i32 i32) (result i32)))
  (import "ic0" "cost_vetkd_derive_key" (func $cost_vetkd_derive_key (param i32 i32 i32 i32) (result i32)))
  (import "ic0" "env_var_count" (func $env_var_count (result i32)))
  (import "ic0" "env_var_name_size" (func $env_var_name_size (param i32) (result i32)))
  (import "ic0" "env_var_name_copy" (func $env_var_name_copy (param i32 i32 i32 i32)))
  (import "ic0" "env_var_name_exists" (func $env_var_name_exists (param i32 i32) (result i32)))
  (import "ic0" "env_var_value_size" (func $env_var_value_size (param i32 i32) (result i32)))
  (import "ic0" "env_var_value_copy" (func $env_var_value_copy (param i32 i32 i32 i32 i32)))
  (import "ic0" "debug_print" (func $debug_print (param i32 i32)))
  (import "ic0" "trap" (func $trap (param i32 i32)))

  (type $operation (func))
  (table 203 funcref)
  ;; The index of an operation is its byte.
  (elem (i32.const 0) func
    $op_push_bytes $op_push_u32 $op_push_u64 $op_if_else $op_repeat $op_run $op_drop $op_drop_bytes $op_concat
    $op_length $op_slice $op_equal_bytes $op_filled $op_bytes_of_u32 $op_bytes_of_u64 $op_amount_of_integer
    $op_u32_of_bytes $op_u64_of_bytes $op_add $op_subtract $op_multiply $op_divide $op_remainder
    $op_bitwise_and $op_bitwise_or $op_bitwise_xor $op_equal $op_less $op_is_zero $op_slot_get $op_slot_set
    $op_slot_append $op_counter_get $op_counter_set $op_counter_add $op_global_get $op_global_set $op_hook_set
    $op_memory_size $op_memory_grow $op_memory_read $op_memory_write $op_read_every $op_write_every $op_spin
    $op_loop_forever $op_recurse_forever $op_unreachable $op_msg_arg_data $op_msg_arg_data_copy $op_msg_caller
    $op_msg_caller_info_data $op_msg_caller_info_signer $op_msg_reject_code $op_msg_reject_msg
    $op_msg_deadline $op_msg_method_name $op_accept_message $op_msg_reply_data_append $op_msg_reply
    $op_msg_reject $op_msg_cycles_available128 $op_msg_cycles_refunded128 $op_msg_cycles_accept128
    $op_cycles_burn128 $op_canister_cycle_balance128 $op_canister_liquid_cycle_balance128
    $op_msg_cycles_available $op_msg_cycles_refunded $op_msg_cycles_accept $op_canister_cycle_balance
    $op_cost_call $op_cost_create_canister $op_cost_http_request $op_cost_sign_with_ecdsa
    $op_cost_sign_with_schnorr $op_cost_vetkd_derive_key $op_canister_self $op_canister_status
    $op_canister_version $op_subnet_self $op_root_key $op_is_controller $op_in_replicated_execution $op_time
    $op_global_timer_set $op_performance_counter $op_certified_data_set $op_data_certificate_present
    $op_data_certificate $op_env_var_count $op_env_var_name $op_env_var_name_exists $op_env_var_value
    $op_debug_print $op_trap $op_stable64_size $op_stable64_grow $op_stable64_write $op_stable64_read
    $op_stable_size $op_stable_grow $op_stable_write $op_stable_read $op_stable_append $op_stable_content
    $op_call_new $op_call_on_cleanup $op_call_new_with_closures $op_call_on_cleanup_with_closure
    $op_call_data_append $op_call_with_best_effort_response $op_call_cycles_add128 $op_call_cycles_add
    $op_call_perform)
  (elem (i32.const 200) func $on_reply $on_reject $on_cleanup)

  (memory (export "memory") 1)
  (data (i32.const 128) "scripted canister: the stack is full")
  (data (i32.const 176) "scripted canister: the stack is empty")
  (data (i32.const 216) "scripted canister: too few bytes")
  (data (i32.const 256) "scripted canister: the slice is too long")
  (data (i32.const 304) "scripted canister: stable memory is full")
  (data (i32.const 352) "scripted canister: the heap is full")
  (data (i32.const 400) "scripted canister: an amount of cycles has 16 bytes")

  ;; What one execution needs. `$begin` sets them.
  (global $program_counter (mut i32) (i32.const 0))
  (global $program_end (mut i32) (i32.const 0))
  (global $stack (mut i32) (i32.const 6144))
  (global $top (mut i32) (i32.const 16384))
  (global $pending (mut i32) (i32.const 0))
  ;; For programs: a global that lasts like any other.
  (global $number (mut i64) (i64.const 0))

  ;; Entry points

  (func $begin
    (global.set $stack (i32.const 6144))
    (global.set $pending (i32.const 0))
    (if (i32.eqz (i32.load (i32.const 16)))
      (then (i32.store (i32.const 16) (i32.const 16384))))
    (global.set $top (i32.load (i32.const 16))))
  (func $run_argument
    (call $begin)
    (call $op_msg_arg_data)
    (call $run (call $pop_bytes))
    (call $free_pending))
  (func $run_hook (param $index i32)
    (local $hook i32) (local $length i32) (local $program i32)
    (call $begin)
    (local.set $hook (call $hook (local.get $index)))
    ;; A copy, so that the program may replace itself.
    (local.set $length (i32.load offset=4 (local.get $hook)))
    (local.set $program (call $allocate (local.get $length)))
    (memory.copy (local.get $program) (i32.load (local.get $hook)) (local.get $length))
    (call $run (local.get $program) (local.get $length))
    (call $free_pending))
  (func $on_heartbeat (call $run_hook (i32.const 0)))
  (func $on_global_timer (call $run_hook (i32.const 1)))
  (func $on_pre_upgrade (call $run_hook (i32.const 2)))
  (func $on_inspect_message
    (if (i32.load (call $hook (i32.const 3)))
      (then (call $run_hook (i32.const 3)))
      (else (call $accept_message))))
  (func $on_low_wasm_memory (call $run_hook (i32.const 4)))
  (func $run_stored (call $run_hook (i32.const 5)))

  (func $is_live (param $record i32) (result i32)
    (if (i64.gt_u
          (i64.add (i64.extend_i32_u (local.get $record)) (i64.const 24))
          (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16)))
      (then (return (i32.const 0))))
    (i32.eq (i32.load (local.get $record)) (i32.const 0x4c4c4143)))
  (func $run_callback (param $record i32) (param $offset i32) (param $length i32)
    (call $begin)
    (call $run (i32.add (i32.add (local.get $record) (i32.const 24)) (local.get $offset)) (local.get $length))
    (call $free_pending)
    (call $free_record (local.get $record)))
  (func $on_reply (param $record i32)
    (if (call $is_live (local.get $record))
      (then
        (call $run_callback (local.get $record) (i32.const 0) (i32.load offset=12 (local.get $record))))))
  (func $on_reject (param $record i32)
    (if (call $is_live (local.get $record))
      (then
        (call $run_callback
          (local.get $record)
          (i32.load offset=12 (local.get $record))
          (i32.load offset=16 (local.get $record))))))
  (func $on_cleanup (param $record i32)
    (if (call $is_live (local.get $record))
      (then
        (call $run_callback
          (local.get $record)
          (i32.add (i32.load offset=12 (local.get $record)) (i32.load offset=16 (local.get $record)))
          (i32.load offset=20 (local.get $record))))))

  (export "canister_init" (func $run_argument))
  (export "canister_post_upgrade" (func $run_argument))
  (export "canister_pre_upgrade" (func $on_pre_upgrade))
  (export "canister_inspect_message" (func $on_inspect_message))
  (export "canister_global_timer" (func $on_global_timer))
  (export "canister_update update" (func $run_argument))
  (export "canister_update also_update" (func $run_argument))
  (export "canister_update stored_update" (func $run_stored))
  (export "canister_query query" (func $run_argument))
  (export "canister_query also_query" (func $run_argument))
  (export "canister_query stored_query" (func $run_stored))
  (export "canister_composite_query composite" (func $run_argument))
  (export "canister_composite_query also_composite" (func $run_argument))
  (@custom "icp:public about" "the scripted canister")
  (@custom "icp:private notes" "for controllers only")

  ;; Running

  (func $run (param $start i32) (param $length i32)
    (local $program_counter i32) (local $program_end i32)
    (local.set $program_counter (global.get $program_counter))
    (local.set $program_end (global.get $program_end))
    (global.set $program_counter (local.get $start))
    (global.set $program_end (i32.add (local.get $start) (local.get $length)))
    (block $done
      (loop $again
        (br_if $done (i32.ge_u (global.get $program_counter) (global.get $program_end)))
        (call_indirect (type $operation) (call $immediate_u8))
        (br $again)))
    (global.set $program_counter (local.get $program_counter))
    (global.set $program_end (local.get $program_end)))
  (func $immediate_u8 (result i32)
    (i32.load8_u (global.get $program_counter))
    (global.set $program_counter (i32.add (global.get $program_counter) (i32.const 1))))
  (func $immediate_u32 (result i32)
    (i32.load (global.get $program_counter))
    (global.set $program_counter (i32.add (global.get $program_counter) (i32.const 4))))
  (func $fail (param $text i32) (param $length i32)
    (call $trap (local.get $text) (local.get $length)))

  ;; The stack

  (func $push (param $value i64)
    (if (i32.ge_u (global.get $stack) (i32.const 16384))
      (then (call $fail (i32.const 128) (i32.const 36))))
    (i64.store (global.get $stack) (local.get $value))
    (global.set $stack (i32.add (global.get $stack) (i32.const 8))))
  (func $pop (result i64)
    (if (i32.le_u (global.get $stack) (i32.const 6144))
      (then (call $fail (i32.const 176) (i32.const 37))))
    (global.set $stack (i32.sub (global.get $stack) (i32.const 8)))
    (i64.load (global.get $stack)))
  (func $pop_u32 (result i32) (i32.wrap_i64 (call $pop)))
  (func $push_bytes (param $start i32) (param $length i32)
    (call $push
      (i64.or
        (i64.extend_i32_u (local.get $start))
        (i64.shl (i64.extend_i32_u (local.get $length)) (i64.const 32)))))
  (func $pop_bytes (result i32 i32)
    (local $value i64)
    (local.set $value (call $pop))
    (i32.wrap_i64 (local.get $value))
    (i32.wrap_i64 (i64.shr_u (local.get $value) (i64.const 32))))
  (func $pop_at_least (param $minimum i32) (result i32)
    (local $start i32) (local $length i32)
    (call $pop_bytes)
    (local.set $length)
    (local.set $start)
    (if (i32.lt_u (local.get $length) (local.get $minimum))
      (then (call $fail (i32.const 216) (i32.const 32))))
    (local.get $start))
  ;; An amount of cycles, as the high and the low half.
  (func $pop_wide (result i64 i64)
    (local $start i32) (local $length i32)
    (call $pop_bytes)
    (local.set $length)
    (local.set $start)
    (if (i32.ne (local.get $length) (i32.const 16))
      (then (call $fail (i32.const 400) (i32.const 51))))
    (i64.load offset=8 (local.get $start))
    (i64.load (local.get $start)))
  (func $push_wide (param $start i32) (call $push_bytes (local.get $start) (i32.const 16)))

  ;; The heap

  (func $allocate (param $size i32) (result i32)
    (local $start i32) (local $end i64) (local $available i64)
    (local.set $start (global.get $top))
    (local.set $end (i64.add (i64.extend_i32_u (local.get $start)) (i64.extend_i32_u (local.get $size))))
    (local.set $available (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16)))
    (if (i64.gt_u (local.get $end) (local.get $available))
      (then
        (if (i32.or
              (i64.ge_u (local.get $end) (i64.const 0x1_0000_0000))
              (i32.eq
                (memory.grow
                  (i32.wrap_i64
                    (i64.shr_u
                      (i64.add (i64.sub (local.get $end) (local.get $available)) (i64.const 65535))
                      (i64.const 16))))
                (i32.const -1)))
          (then (call $fail (i32.const 352) (i32.const 35))))))
    (global.set $top (i32.wrap_i64 (local.get $end)))
    (local.get $start))
  (func $allocate_wide (result i32)
    (local $start i32)
    (local.set $start (call $allocate (i32.const 16)))
    (memory.fill (local.get $start) (i32.const 0) (i32.const 16))
    (local.get $start))
  ;; Everything allocated so far lasts.
  (func $keep_allocated (i32.store (i32.const 16) (global.get $top)))
  (func $hook (param $index i32) (result i32)
    (i32.add (i32.const 32) (i32.mul (local.get $index) (i32.const 12))))
  (func $slot (result i32) (i32.add (i32.const 3072) (i32.mul (call $immediate_u8) (i32.const 12))))
  (func $counter (result i32) (i32.add (i32.const 1024) (i32.mul (call $immediate_u8) (i32.const 8))))
  ;; Gives a slot the capacity for `$length` bytes and keeps its content.
  (func $reserve (param $slot i32) (param $length i32)
    (local $start i32) (local $capacity i32)
    (local.set $start (i32.load (local.get $slot)))
    (local.set $capacity (i32.load offset=8 (local.get $slot)))
    (if (i32.and (i32.ne (local.get $start) (i32.const 0)) (i32.le_u (local.get $length) (local.get $capacity)))
      (then (return)))
    ;; At least twice as much as before, so that appending wastes little.
    (local.set $capacity (i32.shl (local.get $capacity) (i32.const 1)))
    (if (i32.lt_u (local.get $capacity) (local.get $length))
      (then (local.set $capacity (local.get $length))))
    (i32.store (local.get $slot) (call $allocate (local.get $capacity)))
    (i32.store offset=8 (local.get $slot) (local.get $capacity))
    (memory.copy (i32.load (local.get $slot)) (local.get $start) (i32.load offset=4 (local.get $slot)))
    (call $keep_allocated))
  (func $store (param $slot i32) (param $start i32) (param $length i32)
    (call $reserve (local.get $slot) (local.get $length))
    (memory.copy (i32.load (local.get $slot)) (local.get $start) (local.get $length))
    (i32.store offset=4 (local.get $slot) (local.get $length)))
  (func $new_record (param $capacity i32) (result i32)
    (local $record i32)
    (local.set $record (i32.load (i32.const 20)))
    (if (local.get $record)
      (then
        (if (i32.ge_u (i32.load offset=8 (local.get $record)) (local.get $capacity))
          (then
            (i32.store (i32.const 20) (i32.load offset=4 (local.get $record)))
            (i32.store (local.get $record) (i32.const 0x4c4c4143))
            (return (local.get $record))))))
    (local.set $record (call $allocate (i32.add (local.get $capacity) (i32.const 24))))
    (i32.store (local.get $record) (i32.const 0x4c4c4143))
    (i32.store offset=8 (local.get $record) (local.get $capacity))
    (call $keep_allocated)
    (local.get $record))
  (func $free_record (param $record i32)
    (i32.store (local.get $record) (i32.const 0x45455246))
    (i32.store offset=4 (local.get $record) (i32.load (i32.const 20)))
    (i32.store (i32.const 20) (local.get $record)))
  ;; A call that was begun and not made needs its record no more.
  (func $free_pending
    (if (global.get $pending)
      (then
        (call $free_record (global.get $pending))
        (global.set $pending (i32.const 0)))))
  (func $stable_length (result i64)
    (if (i64.eqz (call $stable64_size))
      (then (return (i64.const 0))))
    (call $stable64_read (i64.const 0) (i64.const 0) (i64.const 8))
    (i64.load (i32.const 0)))

  ;; Operations

  ;; Constants. A constant byte string is used where it stands in the program.

  (func $op_push_bytes
    (local $length i32)
    (local.set $length (call $immediate_u32))
    (call $push_bytes (global.get $program_counter) (local.get $length))
    (global.set $program_counter (i32.add (global.get $program_counter) (local.get $length))))
  (func $op_push_u32
    (call $push (i64.extend_i32_u (call $immediate_u32))))
  (func $op_push_u64
    (call $push (i64.load (global.get $program_counter)))
    (global.set $program_counter (i32.add (global.get $program_counter) (i32.const 8))))

  ;; Control.

  (func $op_if_else
    (local $condition i64) (local $then_length i32) (local $else_length i32) (local $start i32)
    (local.set $condition (call $pop))
    (local.set $then_length (call $immediate_u32))
    (local.set $else_length (call $immediate_u32))
    (local.set $start (global.get $program_counter))
    (global.set $program_counter
      (i32.add (local.get $start) (i32.add (local.get $then_length) (local.get $else_length))))
    (if (i64.eqz (local.get $condition))
      (then (call $run (i32.add (local.get $start) (local.get $then_length)) (local.get $else_length)))
      (else (call $run (local.get $start) (local.get $then_length)))))
  (func $op_repeat
    (local $count i64) (local $start i32) (local $length i32) (local $mark i32)
    (local.set $count (call $pop))
    (local.set $length (call $immediate_u32))
    (local.set $start (global.get $program_counter))
    (global.set $program_counter (i32.add (local.get $start) (local.get $length)))
    (block $done
      (loop $again
        (br_if $done (i64.eqz (local.get $count)))
        (local.set $mark (global.get $top))
        (call $run (local.get $start) (local.get $length))
        ;; What one round allocated is given back, unless something that must last lies above the mark.
        (if (i32.le_u (i32.load (i32.const 16)) (local.get $mark))
          (then (global.set $top (local.get $mark))))
        (local.set $count (i64.sub (local.get $count) (i64.const 1)))
        (br $again))))
  (func $op_run
    (call $run (call $pop_bytes)))
  (func $op_drop
    (drop (call $pop)))
  (func $op_drop_bytes
    (drop (call $pop)))

  ;; Byte strings.

  (func $op_concat
    (local $left i32) (local $left_length i32) (local $right i32) (local $right_length i32) (local $result i32)
    (call $pop_bytes)
    (local.set $right_length)
    (local.set $right)
    (call $pop_bytes)
    (local.set $left_length)
    (local.set $left)
    (local.set $result (call $allocate (i32.add (local.get $left_length) (local.get $right_length))))
    (memory.copy (local.get $result) (local.get $left) (local.get $left_length))
    (memory.copy
      (i32.add (local.get $result) (local.get $left_length)) (local.get $right) (local.get $right_length))
    (call $push_bytes (local.get $result) (i32.add (local.get $left_length) (local.get $right_length))))
  (func $op_length
    (call $push (i64.shr_u (call $pop) (i64.const 32))))
  (func $op_slice
    (local $offset i64) (local $size i64) (local $start i32) (local $length i32)
    (local.set $size (call $pop))
    (local.set $offset (call $pop))
    (call $pop_bytes)
    (local.set $length)
    (local.set $start)
    (if (i32.or
          (i64.gt_u (local.get $offset) (i64.extend_i32_u (local.get $length)))
          (i64.gt_u (local.get $size) (i64.sub (i64.extend_i32_u (local.get $length)) (local.get $offset))))
      (then (call $fail (i32.const 256) (i32.const 40))))
    (call $push_bytes
      (i32.add (local.get $start) (i32.wrap_i64 (local.get $offset))) (i32.wrap_i64 (local.get $size))))
  (func $op_equal_bytes
    (local $left i32) (local $left_length i32) (local $right i32) (local $right_length i32)
    (call $pop_bytes)
    (local.set $right_length)
    (local.set $right)
    (call $pop_bytes)
    (local.set $left_length)
    (local.set $left)
    (if (i32.ne (local.get $left_length) (local.get $right_length))
      (then (call $push (i64.const 0)) (return)))
    (block $done
      (loop $again
        (br_if $done (i32.eqz (local.get $left_length)))
        (if (i32.ne (i32.load8_u (local.get $left)) (i32.load8_u (local.get $right)))
          (then (call $push (i64.const 0)) (return)))
        (local.set $left (i32.add (local.get $left) (i32.const 1)))
        (local.set $right (i32.add (local.get $right) (i32.const 1)))
        (local.set $left_length (i32.sub (local.get $left_length) (i32.const 1)))
        (br $again)))
    (call $push (i64.const 1)))
  (func $op_filled
    (local $length i32) (local $value i32) (local $result i32)
    (local.set $length (call $pop_u32))
    (local.set $value (call $pop_u32))
    (local.set $result (call $allocate (local.get $length)))
    (memory.fill (local.get $result) (local.get $value) (local.get $length))
    (call $push_bytes (local.get $result) (local.get $length)))
  (func $op_bytes_of_u32
    (local $result i32)
    (local.set $result (call $allocate (i32.const 4)))
    (i32.store (local.get $result) (call $pop_u32))
    (call $push_bytes (local.get $result) (i32.const 4)))
  (func $op_bytes_of_u64
    (local $result i32)
    (local.set $result (call $allocate (i32.const 8)))
    (i64.store (local.get $result) (call $pop))
    (call $push_bytes (local.get $result) (i32.const 8)))
  (func $op_amount_of_integer
    (local $result i32)
    (local.set $result (call $allocate_wide))
    (i64.store (local.get $result) (call $pop))
    (call $push_wide (local.get $result)))
  (func $op_u32_of_bytes
    (call $push (i64.load32_u (call $pop_at_least (i32.const 4)))))
  (func $op_u64_of_bytes
    (call $push (i64.load (call $pop_at_least (i32.const 8)))))

  ;; Integers, all of 64 bits and unsigned.

  (func $op_add
    (local $right i64)
    (local.set $right (call $pop))
    (call $push (i64.add (call $pop) (local.get $right))))
  (func $op_subtract
    (local $right i64)
    (local.set $right (call $pop))
    (call $push (i64.sub (call $pop) (local.get $right))))
  (func $op_multiply
    (local $right i64)
    (local.set $right (call $pop))
    (call $push (i64.mul (call $pop) (local.get $right))))
  (func $op_divide
    (local $right i64)
    (local.set $right (call $pop))
    (call $push (i64.div_u (call $pop) (local.get $right))))
  (func $op_remainder
    (local $right i64)
    (local.set $right (call $pop))
    (call $push (i64.rem_u (call $pop) (local.get $right))))
  (func $op_bitwise_and
    (local $right i64)
    (local.set $right (call $pop))
    (call $push (i64.and (call $pop) (local.get $right))))
  (func $op_bitwise_or
    (local $right i64)
    (local.set $right (call $pop))
    (call $push (i64.or (call $pop) (local.get $right))))
  (func $op_bitwise_xor
    (local $right i64)
    (local.set $right (call $pop))
    (call $push (i64.xor (call $pop) (local.get $right))))
  (func $op_equal
    (call $push (i64.extend_i32_u (i64.eq (call $pop) (call $pop)))))
  (func $op_less
    ;; The right operand is popped first.
    (call $push (i64.extend_i32_u (i64.gt_u (call $pop) (call $pop)))))
  (func $op_is_zero
    (call $push (i64.extend_i32_u (i64.eqz (call $pop)))))

  ;; What the heap keeps: byte strings and counters, 256 of each; and one WebAssembly global.

  (func $op_slot_get
    (local $slot i32) (local $result i32)
    (local.set $slot (call $slot))
    ;; A copy, so that a later change of the slot does not change the value.
    (local.set $result (call $allocate (i32.load offset=4 (local.get $slot))))
    (memory.copy (local.get $result) (i32.load (local.get $slot)) (i32.load offset=4 (local.get $slot)))
    (call $push_bytes (local.get $result) (i32.load offset=4 (local.get $slot))))
  (func $op_slot_set
    (call $store (call $slot) (call $pop_bytes)))
  (func $op_slot_append
    (local $slot i32) (local $start i32) (local $length i32) (local $before i32)
    (local.set $slot (call $slot))
    (call $pop_bytes)
    (local.set $length)
    (local.set $start)
    (local.set $before (i32.load offset=4 (local.get $slot)))
    (call $reserve (local.get $slot) (i32.add (local.get $before) (local.get $length)))
    (memory.copy
      (i32.add (i32.load (local.get $slot)) (local.get $before)) (local.get $start) (local.get $length))
    (i32.store offset=4 (local.get $slot) (i32.add (local.get $before) (local.get $length))))
  (func $op_counter_get
    (call $push (i64.load (call $counter))))
  (func $op_counter_set
    (i64.store (call $counter) (call $pop)))
  (func $op_counter_add
    (local $counter i32)
    (local.set $counter (call $counter))
    (i64.store (local.get $counter) (i64.add (i64.load (local.get $counter)) (call $pop))))
  (func $op_global_get
    (call $push (global.get $number)))
  (func $op_global_set
    (global.set $number (call $pop)))
  (func $op_hook_set
    (call $store (call $hook (call $immediate_u8)) (call $pop_bytes)))

  ;; Memory and time.

  (func $op_memory_size
    (call $push (i64.extend_i32_u (memory.size))))
  (func $op_memory_grow
    (call $push (i64.extend_i32_s (memory.grow (call $pop_u32)))))
  (func $op_memory_read
    (local $size i32) (local $result i32)
    (local.set $size (call $pop_u32))
    (local.set $result (call $allocate (local.get $size)))
    (memory.copy (local.get $result) (call $pop_u32) (local.get $size))
    (call $push_bytes (local.get $result) (local.get $size)))
  (func $op_memory_write
    (local $start i32) (local $length i32)
    (call $pop_bytes)
    (local.set $length)
    (local.set $start)
    (memory.copy (call $pop_u32) (local.get $start) (local.get $length)))
  (func $op_read_every
    (local $address i32) (local $stride i32) (local $count i32)
    (local.set $count (call $pop_u32))
    (local.set $stride (call $pop_u32))
    (local.set $address (call $pop_u32))
    (block $done
      (loop $again
        (br_if $done (i32.eqz (local.get $count)))
        (drop (i32.load8_u (local.get $address)))
        (local.set $address (i32.add (local.get $address) (local.get $stride)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $again))))
  (func $op_write_every
    (local $address i32) (local $stride i32) (local $count i32)
    (local.set $count (call $pop_u32))
    (local.set $stride (call $pop_u32))
    (local.set $address (call $pop_u32))
    (block $done
      (loop $again
        (br_if $done (i32.eqz (local.get $count)))
        (i32.store8 (local.get $address) (i32.load8_u (local.get $address)))
        (local.set $address (i32.add (local.get $address) (local.get $stride)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $again))))
  (func $op_spin
    (local $count i64)
    (local.set $count (call $pop))
    (block $done
      (loop $again
        (br_if $done (i64.eqz (local.get $count)))
        (local.set $count (i64.sub (local.get $count) (i64.const 1)))
        (br $again))))
  (func $op_loop_forever
    (loop $again (br $again)))
  (func $op_recurse_forever
    (call $op_recurse_forever)
    ;; Keeps the call from being the last thing, so that every level needs a frame.
    (global.set $program_counter (i32.add (global.get $program_counter) (i32.const 1))))
  (func $op_unreachable
    (unreachable))

  ;; System API: the message.

  (func $op_msg_arg_data
    (local $size i32) (local $result i32)
    (local.set $size (call $msg_arg_data_size))
    (local.set $result (call $allocate (local.get $size)))
    (call $msg_arg_data_copy (local.get $result) (i32.const 0) (local.get $size))
    (call $push_bytes (local.get $result) (local.get $size)))
  (func $op_msg_arg_data_copy
    (local $size i32) (local $result i32)
    (local.set $size (call $pop_u32))
    (local.set $result (call $allocate (local.get $size)))
    (call $msg_arg_data_copy (local.get $result) (call $pop_u32) (local.get $size))
    (call $push_bytes (local.get $result) (local.get $size)))
  (func $op_msg_caller
    (local $size i32) (local $result i32)
    (local.set $size (call $msg_caller_size))
    (local.set $result (call $allocate (local.get $size)))
    (call $msg_caller_copy (local.get $result) (i32.const 0) (local.get $size))
    (call $push_bytes (local.get $result) (local.get $size)))
  (func $op_msg_caller_info_data
    (local $size i32) (local $result i32)
    (local.set $size (call $msg_caller_info_data_size))
    (local.set $result (call $allocate (local.get $size)))
    (call $msg_caller_info_data_copy (local.get $result) (i32.const 0) (local.get $size))
    (call $push_bytes (local.get $result) (local.get $size)))
  (func $op_msg_caller_info_signer
    (local $size i32) (local $result i32)
    (local.set $size (call $msg_caller_info_signer_size))
    (local.set $result (call $allocate (local.get $size)))
    (call $msg_caller_info_signer_copy (local.get $result) (i32.const 0) (local.get $size))
    (call $push_bytes (local.get $result) (local.get $size)))
  (func $op_msg_reject_code
    (call $push (i64.extend_i32_u (call $msg_reject_code))))
  (func $op_msg_reject_msg
    (local $size i32) (local $result i32)
    (local.set $size (call $msg_reject_msg_size))
    (local.set $result (call $allocate (local.get $size)))
    (call $msg_reject_msg_copy (local.get $result) (i32.const 0) (local.get $size))
    (call $push_bytes (local.get $result) (local.get $size)))
  (func $op_msg_deadline
    (call $push (call $msg_deadline)))
  (func $op_msg_method_name
    (local $size i32) (local $result i32)
    (local.set $size (call $msg_method_name_size))
    (local.set $result (call $allocate (local.get $size)))
    (call $msg_method_name_copy (local.get $result) (i32.const 0) (local.get $size))
    (call $push_bytes (local.get $result) (local.get $size)))
  (func $op_accept_message
    (call $accept_message))
  (func $op_msg_reply_data_append
    (call $msg_reply_data_append (call $pop_bytes)))
  (func $op_msg_reply
    (call $msg_reply))
  (func $op_msg_reject
    (call $msg_reject (call $pop_bytes)))

  ;; System API: cycles. An amount of 128 bits is a byte string of 16 bytes, the low ones first.

  (func $op_msg_cycles_available128
    (local $result i32)
    (local.set $result (call $allocate_wide))
    (call $msg_cycles_available128 (local.get $result))
    (call $push_wide (local.get $result)))
  (func $op_msg_cycles_refunded128
    (local $result i32)
    (local.set $result (call $allocate_wide))
    (call $msg_cycles_refunded128 (local.get $result))
    (call $push_wide (local.get $result)))
  (func $op_msg_cycles_accept128
    (local $result i32)
    (local.set $result (call $allocate_wide))
    (call $msg_cycles_accept128 (call $pop_wide) (local.get $result))
    (call $push_wide (local.get $result)))
  (func $op_cycles_burn128
    (local $result i32)
    (local.set $result (call $allocate_wide))
    (call $cycles_burn128 (call $pop_wide) (local.get $result))
    (call $push_wide (local.get $result)))
  (func $op_canister_cycle_balance128
    (local $result i32)
    (local.set $result (call $allocate_wide))
    (call $canister_cycle_balance128 (local.get $result))
    (call $push_wide (local.get $result)))
  (func $op_canister_liquid_cycle_balance128
    (local $result i32)
    (local.set $result (call $allocate_wide))
    (call $canister_liquid_cycle_balance128 (local.get $result))
    (call $push_wide (local.get $result)))
  (func $op_msg_cycles_available
    (call $push (call $msg_cycles_available)))
  (func $op_msg_cycles_refunded
    (call $push (call $msg_cycles_refunded)))
  (func $op_msg_cycles_accept
    (call $push (call $msg_cycles_accept (call $pop))))
  (func $op_canister_cycle_balance
    (call $push (call $canister_cycle_balance)))
  (func $op_cost_call
    (local $result i32) (local $second i64)
    (local.set $result (call $allocate_wide))
    (local.set $second (call $pop))
    (call $cost_call (call $pop) (local.get $second) (local.get $result))
    (call $push_wide (local.get $result)))
  (func $op_cost_create_canister
    (local $result i32)
    (local.set $result (call $allocate_wide))
    (call $cost_create_canister (local.get $result))
    (call $push_wide (local.get $result)))
  (func $op_cost_http_request
    (local $result i32) (local $second i64)
    (local.set $result (call $allocate_wide))
    (local.set $second (call $pop))
    (call $cost_http_request (call $pop) (local.get $second) (local.get $result))
    (call $push_wide (local.get $result)))
  (func $op_cost_sign_with_ecdsa
    (local $curve i32) (local $name i32) (local $length i32) (local $result i32)
    (local.set $curve (call $pop_u32))
    (call $pop_bytes)
    (local.set $length)
    (local.set $name)
    ;; 4 bytes for the code that the function returns, then the amount.
    (local.set $result (call $allocate (i32.const 20)))
    (memory.fill (local.get $result) (i32.const 0) (i32.const 20))
    (i32.store (local.get $result)
      (call $cost_sign_with_ecdsa
        (local.get $name) (local.get $length) (local.get $curve) (i32.add (local.get $result) (i32.const 4))))
    (call $push_bytes (local.get $result) (i32.const 20)))
  (func $op_cost_sign_with_schnorr
    (local $curve i32) (local $name i32) (local $length i32) (local $result i32)
    (local.set $curve (call $pop_u32))
    (call $pop_bytes)
    (local.set $length)
    (local.set $name)
    ;; 4 bytes for the code that the function returns, then the amount.
    (local.set $result (call $allocate (i32.const 20)))
    (memory.fill (local.get $result) (i32.const 0) (i32.const 20))
    (i32.store (local.get $result)
      (call $cost_sign_with_schnorr
        (local.get $name) (local.get $length) (local.get $curve) (i32.add (local.get $result) (i32.const 4))))
    (call $push_bytes (local.get $result) (i32.const 20)))
  (func $op_cost_vetkd_derive_key
    (local $curve i32) (local $name i32) (local $length i32) (local $result i32)
    (local.set $curve (call $pop_u32))
    (call $pop_bytes)
    (local.set $length)
    (local.set $name)
    ;; 4 bytes for the code that the function returns, then the amount.
    (local.set $result (call $allocate (i32.const 20)))
    (memory.fill (local.get $result) (i32.const 0) (i32.const 20))
    (i32.store (local.get $result)
      (call $cost_vetkd_derive_key
        (local.get $name) (local.get $length) (local.get $curve) (i32.add (local.get $result) (i32.const 4))))
    (call $push_bytes (local.get $result) (i32.const 20)))

  ;; System API: the canister and the subnet.

  (func $op_canister_self
    (local $size i32) (local $result i32)
    (local.set $size (call $canister_self_size))
    (local.set $result (call $allocate (local.get $size)))
    (call $canister_self_copy (local.get $result) (i32.const 0) (local.get $size))
    (call $push_bytes (local.get $result) (local.get $size)))
  (func $op_canister_status
    (call $push (i64.extend_i32_u (call $canister_status))))
  (func $op_canister_version
    (call $push (call $canister_version)))
  (func $op_subnet_self
    (local $size i32) (local $result i32)
    (local.set $size (call $subnet_self_size))
    (local.set $result (call $allocate (local.get $size)))
    (call $subnet_self_copy (local.get $result) (i32.const 0) (local.get $size))
    (call $push_bytes (local.get $result) (local.get $size)))
  (func $op_root_key
    (local $size i32) (local $result i32)
    (local.set $size (call $root_key_size))
    (local.set $result (call $allocate (local.get $size)))
    (call $root_key_copy (local.get $result) (i32.const 0) (local.get $size))
    (call $push_bytes (local.get $result) (local.get $size)))
  (func $op_is_controller
    (call $push (i64.extend_i32_u (call $is_controller (call $pop_bytes)))))
  (func $op_in_replicated_execution
    (call $push (i64.extend_i32_u (call $in_replicated_execution))))
  (func $op_time
    (call $push (call $time)))
  (func $op_global_timer_set
    (call $push (call $global_timer_set (call $pop))))
  (func $op_performance_counter
    (call $push (call $performance_counter (call $pop_u32))))
  (func $op_certified_data_set
    (call $certified_data_set (call $pop_bytes)))
  (func $op_data_certificate_present
    (call $push (i64.extend_i32_u (call $data_certificate_present))))
  (func $op_data_certificate
    (local $size i32) (local $result i32)
    (local.set $size (call $data_certificate_size))
    (local.set $result (call $allocate (local.get $size)))
    (call $data_certificate_copy (local.get $result) (i32.const 0) (local.get $size))
    (call $push_bytes (local.get $result) (local.get $size)))
  (func $op_env_var_count
    (call $push (i64.extend_i32_u (call $env_var_count))))
  (func $op_env_var_name
    (local $index i32) (local $size i32) (local $result i32)
    (local.set $index (call $pop_u32))
    (local.set $size (call $env_var_name_size (local.get $index)))
    (local.set $result (call $allocate (local.get $size)))
    (call $env_var_name_copy (local.get $index) (local.get $result) (i32.const 0) (local.get $size))
    (call $push_bytes (local.get $result) (local.get $size)))
  (func $op_env_var_name_exists
    (call $push (i64.extend_i32_u (call $env_var_name_exists (call $pop_bytes)))))
  (func $op_env_var_value
    (local $name i32) (local $length i32) (local $size i32) (local $result i32)
    (call $pop_bytes)
    (local.set $length)
    (local.set $name)
    (local.set $size (call $env_var_value_size (local.get $name) (local.get $length)))
    (local.set $result (call $allocate (local.get $size)))
    (call $env_var_value_copy
      (local.get $name) (local.get $length) (local.get $result) (i32.const 0) (local.get $size))
    (call $push_bytes (local.get $result) (local.get $size)))
  (func $op_debug_print
    (call $debug_print (call $pop_bytes)))
  (func $op_trap
    (call $trap (call $pop_bytes)))

  ;; System API: stable memory. `stable_append` keeps the length of what it wrote in the first 8 bytes.

  (func $op_stable64_size
    (call $push (call $stable64_size)))
  (func $op_stable64_grow
    (call $push (call $stable64_grow (call $pop))))
  (func $op_stable64_write
    (local $start i32) (local $length i32)
    (call $pop_bytes)
    (local.set $length)
    (local.set $start)
    (call $stable64_write
      (call $pop) (i64.extend_i32_u (local.get $start)) (i64.extend_i32_u (local.get $length))))
  (func $op_stable64_read
    (local $size i32) (local $result i32)
    (local.set $size (call $pop_u32))
    (local.set $result (call $allocate (local.get $size)))
    (call $stable64_read
      (i64.extend_i32_u (local.get $result)) (call $pop) (i64.extend_i32_u (local.get $size)))
    (call $push_bytes (local.get $result) (local.get $size)))
  (func $op_stable_size
    (call $push (i64.extend_i32_u (call $stable_size))))
  (func $op_stable_grow
    ;; A failure, -1, has 64 bits here too.
    (call $push (i64.extend_i32_s (call $stable_grow (call $pop_u32)))))
  (func $op_stable_write
    (local $start i32) (local $length i32)
    (call $pop_bytes)
    (local.set $length)
    (local.set $start)
    (call $stable_write (call $pop_u32) (local.get $start) (local.get $length)))
  (func $op_stable_read
    (local $size i32) (local $result i32)
    (local.set $size (call $pop_u32))
    (local.set $result (call $allocate (local.get $size)))
    (call $stable_read (local.get $result) (call $pop_u32) (local.get $size))
    (call $push_bytes (local.get $result) (local.get $size)))
  (func $op_stable_append
    (local $start i32) (local $length i32) (local $before i64) (local $needed_pages i64)
    (call $pop_bytes)
    (local.set $length)
    (local.set $start)
    (local.set $before (call $stable_length))
    (local.set $needed_pages
      (i64.shr_u
        (i64.add (i64.add (local.get $before) (i64.extend_i32_u (local.get $length))) (i64.const 65543))
        (i64.const 16)))
    (if (i64.gt_u (local.get $needed_pages) (call $stable64_size))
      (then
        (if (i64.eq
              (call $stable64_grow (i64.sub (local.get $needed_pages) (call $stable64_size)))
              (i64.const -1))
          (then (call $fail (i32.const 304) (i32.const 40))))))
    (call $stable64_write
      (i64.add (local.get $before) (i64.const 8))
      (i64.extend_i32_u (local.get $start))
      (i64.extend_i32_u (local.get $length)))
    (i64.store (i32.const 0) (i64.add (local.get $before) (i64.extend_i32_u (local.get $length))))
    (call $stable64_write (i64.const 0) (i64.const 0) (i64.const 8)))
  (func $op_stable_content
    (local $size i32) (local $result i32)
    (local.set $size (i32.wrap_i64 (call $stable_length)))
    (local.set $result (call $allocate (local.get $size)))
    (if (local.get $size)
      (then
        (call $stable64_read
          (i64.extend_i32_u (local.get $result)) (i64.const 8) (i64.extend_i32_u (local.get $size)))))
    (call $push_bytes (local.get $result) (local.get $size)))

  ;; System API: calls.

  (func $op_call_new
    (local $callee i32) (local $callee_length i32) (local $name i32) (local $name_length i32)
    (local $reply i32) (local $reply_length i32) (local $reject i32) (local $reject_length i32)
    (local $cleanup i32) (local $cleanup_length i32) (local $record i32) (local $programs i32)
    (call $pop_bytes)
    (local.set $cleanup_length)
    (local.set $cleanup)
    (call $pop_bytes)
    (local.set $reject_length)
    (local.set $reject)
    (call $pop_bytes)
    (local.set $reply_length)
    (local.set $reply)
    (call $pop_bytes)
    (local.set $name_length)
    (local.set $name)
    (call $pop_bytes)
    (local.set $callee_length)
    (local.set $callee)
    (call $free_pending)
    (local.set $record
      (call $new_record
        (i32.add (local.get $reply_length) (i32.add (local.get $reject_length) (local.get $cleanup_length)))))
    (global.set $pending (local.get $record))
    (i32.store offset=12 (local.get $record) (local.get $reply_length))
    (i32.store offset=16 (local.get $record) (local.get $reject_length))
    (i32.store offset=20 (local.get $record) (local.get $cleanup_length))
    (local.set $programs (i32.add (local.get $record) (i32.const 24)))
    (memory.copy (local.get $programs) (local.get $reply) (local.get $reply_length))
    (local.set $programs (i32.add (local.get $programs) (local.get $reply_length)))
    (memory.copy (local.get $programs) (local.get $reject) (local.get $reject_length))
    (local.set $programs (i32.add (local.get $programs) (local.get $reject_length)))
    (memory.copy (local.get $programs) (local.get $cleanup) (local.get $cleanup_length))
    (call $call_new
      (local.get $callee) (local.get $callee_length) (local.get $name) (local.get $name_length)
      (i32.const 200) (local.get $record) (i32.const 201) (local.get $record)))
  (func $op_call_on_cleanup
    (call $call_on_cleanup (i32.const 202) (global.get $pending)))
  (func $op_call_new_with_closures
    (local $callee i32) (local $callee_length i32) (local $name i32) (local $name_length i32)
    (local $reply_function i32) (local $reply_environment i32)
    (local $reject_function i32) (local $reject_environment i32)
    (local.set $reject_environment (call $pop_u32))
    (local.set $reject_function (call $pop_u32))
    (local.set $reply_environment (call $pop_u32))
    (local.set $reply_function (call $pop_u32))
    (call $pop_bytes)
    (local.set $name_length)
    (local.set $name)
    (call $pop_bytes)
    (local.set $callee_length)
    (local.set $callee)
    (call $free_pending)
    (call $call_new
      (local.get $callee) (local.get $callee_length) (local.get $name) (local.get $name_length)
      (local.get $reply_function) (local.get $reply_environment)
      (local.get $reject_function) (local.get $reject_environment)))
  (func $op_call_on_cleanup_with_closure
    (local $environment i32)
    (local.set $environment (call $pop_u32))
    (call $call_on_cleanup (call $pop_u32) (local.get $environment)))
  (func $op_call_data_append
    (call $call_data_append (call $pop_bytes)))
  (func $op_call_with_best_effort_response
    (call $call_with_best_effort_response (call $pop_u32)))
  (func $op_call_cycles_add128
    (call $call_cycles_add128 (call $pop_wide)))
  (func $op_call_cycles_add
    (call $call_cycles_add (call $pop)))
  (func $op_call_perform
    (local $code i32)
    (local.set $code (call $call_perform))
    (if (local.get $code)
      (then (call $free_pending))
      (else (global.set $pending (i32.const 0))))
    (call $push (i64.extend_i32_u (local.get $code)))))
