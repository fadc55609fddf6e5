"""Both engines make the same calls where the balance hardly covers the memory of messages."""

from collections import Counter

import pytest
import wasmtime
from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from properties.agreement.modules import load_pair, running_canister
from spec.canister.environment import Environment
from spec.canister.outcome import Trapped
from spec.fees import call_fee, cycles_per_response, freezing_limit_with_messages, message_memory
from spec.profile import Profile, load_profile

NAME_SIZE = 4
CALL = f"""(call $new {"(i32.const 0) " * 3} (i32.const {NAME_SIZE}) {"(i32.const 0) " * 4})"""
STORAGE = 65_536 + 32


@frozen
class Call:
    """A call that a canister makes."""

    size: int
    """Of its argument."""
    is_bounded: bool
    cycles: int

    @property
    def text(self) -> str:
        """The instructions that make it, and write what came of it into the heap."""
        wait = "(call $wait (i32.const 3))" if self.is_bounded else ""
        return f"""{CALL} (call $fill (i32.const {self.size})) {wait}
            (call $add (i64.const {self.cycles})) (call $note (call $perform))"""


def module(calls: list[Call]) -> bytes:
    """A canister that makes these calls, and tells of each what came of it and what is liquid then."""
    return bytes(
        wasmtime.wat2wasm(f"""(module
        (import "ic0" "call_new" (func $new (param {"i32 " * 8})))
        (import "ic0" "call_data_append" (func $append (param i32 i32)))
        (import "ic0" "call_with_best_effort_response" (func $wait (param i32)))
        (import "ic0" "call_cycles_add" (func $add (param i64)))
        (import "ic0" "call_perform" (func $perform (result i32)))
        (import "ic0" "canister_liquid_cycle_balance128" (func $liquid (param i32)))
        (import "ic0" "msg_reply_data_append" (func $reply (param i32 i32)))
        (import "ic0" "msg_reply" (func $replied))
        (memory 1)
        (func $fill (param $left i32)
          (loop $more (if (i32.gt_u (local.get $left) (i32.const 8192)) (then
            (call $append (i32.const 0) (i32.const 8192))
            (local.set $left (i32.sub (local.get $left) (i32.const 8192)))
            (br $more))))
          (call $append (i32.const 0) (local.get $left)))
        (func $note (param $code i32)
          (i32.store (i32.const 0) (local.get $code)) (call $liquid (i32.const 4))
          (call $reply (i32.const 0) (i32.const 20)))
        (func (export "canister_update go") {"".join(call.text for call in calls)} (call $replied)))""")
    )


def needed(environment: Environment, calls: list[Call]) -> int:
    """The balance with which all these calls are just made."""
    profile, nodes = environment.profile, environment.subnet_size
    payloads = [NAME_SIZE + call.size for call in calls]
    limit = freezing_limit_with_messages(
        profile.fees,
        environment.compute_allocation,
        environment.memory_allocation,
        environment.freezing_threshold,
        STORAGE + environment.memory_usage_raw_module + environment.memory_usage_canister_history,
        sum(message_memory(profile.limits, size, call.is_bounded) for size, call in zip(payloads, calls, strict=True)),
        nodes,
    )
    prices = sum(call_fee(profile.fees, size, nodes) + cycles_per_response(profile, False, nodes) for size in payloads)
    return max(0, limit - environment.reserved_balance) + prices + sum(call.cycles for call in calls)


def with_long_executions(profile: Profile) -> Profile:
    """A profile in which executions are long enough for arguments of every size."""
    limits = evolve(profile.limits, message_instructions=10**9)
    return evolve(profile, limits=limits, rounds=evolve(profile.rounds, slice_instructions=10**9))


@st.composite
def cases(draw: st.DrawFn, profile: Profile) -> tuple[list[Call], Environment]:
    """Calls, and an environment with a balance near that with which some of them are just made."""
    limits = profile.limits
    same = limits.inter_canister_payload + limits.response_record - limits.request_record - NAME_SIZE
    sizes = st.sampled_from([0, 1, 500, same - 1, same, same + 1, same + 30_000])
    calls = draw(st.lists(st.builds(Call, sizes, st.booleans(), st.sampled_from([0, 7])), min_size=1, max_size=4))
    environment = evolve(
        running_canister(profile),
        freezing_threshold=draw(st.sampled_from([0, 1, 86_399, 2_592_000, 10**8])),
        memory_allocation=draw(st.sampled_from([0, 2**24])),
        compute_allocation=draw(st.sampled_from([0, 3])),
        reserved_balance=draw(st.sampled_from([0, 10**6, 10**12])),
        subnet_size=draw(st.sampled_from([13, 34])),
    )
    made = draw(st.lists(st.sampled_from(calls), min_size=1, max_size=len(calls))) if draw(st.booleans()) else calls
    off = draw(st.sampled_from([0, 0, -1, -1, 1, 400, -400]))
    return calls, evolve(environment, balance=max(0, needed(environment, made) + off))


@pytest.mark.checklist("error.insufficient-cycles-message-memory")
@pytest.mark.parametrize("profile", ["production", "small-world"])
def test_engines_agree_on_the_calls_that_the_balance_covers(profile: str) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=120, deadline=None, derandomize=True)
    @given(cases(with_long_executions(load_profile(profile))))
    def check(case: tuple[list[Call], Environment]) -> None:
        calls, environment = case
        pair = load_pair(module(calls), environment.profile)
        assert pair is not None
        outcome = pair.update("go", pair.initial_state(), environment)
        missing = environment.balance - needed(environment, calls)
        if isinstance(outcome, Trapped):
            assert missing < 0 and any(call.cycles for call in calls)
            seen["cycles that are not liquid"] += 1
            return
        made = len(outcome.new_calls)
        seen["all" if made == len(calls) else "some" if made else "none"] += 1
        assert (made == len(calls)) == (missing >= 0)
        seen["one cycle short"] += missing == -1
        seen["just enough"] += missing == 0

    check()
    assert min(seen[what] for what in ("all", "some", "none", "one cycle short", "just enough")) >= 5, seen
