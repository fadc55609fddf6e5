"""Cycle bookkeeping: what memory is used, what keeps a canister from freezing, and what it may spend."""

import pytest
from attrs import evolve

from spec.canister.wasm_state import WasmState
from spec.rules.resources import freezing_limit, idle_cycles_burned_per_day, liquid_balance, memory_usage, response_fee
from spec.rules.tests.worlds import NOW, PROFILE, USER, A, canister, module
from spec.state.canister import Code, Empty, Subnet
from spec.state.history import Change, ChangeFromUser, Creation, recorded
from spec.values.containers import List, Map
from spec.values.memory import LinearMemory
from spec.values.rejects import Reply

GIBIBYTE = 2**30
DAY = 86_400


@pytest.mark.checklist("def.freezing-limit", "unspec.fn.memory-usage")
def test_memory_is_used_by_state_module_history_and_chunks():
    raw_module = module(private_custom_sections=Map.of([("name", b"content")]))
    change = Change(NOW, 1, ChangeFromUser(USER), Creation(List.of(USER, A), None))
    plain = canister(
        A,
        Code(raw_module, WasmState(A, LinearMemory(2), LinearMemory(3), (5, 6, 7))),
        chunk_store=Map.of([(b"one", b"chunk"), (b"two", b"chunk")]),
    )
    full = evolve(plain, history=recorded(plain.history, change))
    parts = 5 * 65536 + 4 * 32, len(raw_module) + 4 + 7 + 1, 184 + 2 * 30, 2 * 2**20
    assert memory_usage(PROFILE, full) == sum(parts)
    assert memory_usage(PROFILE, evolve(full, code=Empty())) == sum(parts[2:])


@pytest.mark.checklist("def.freezing-limit", "unspec.fn.idle-cycles-burned-rate", "unspec.fn.freezing-estimate")
@pytest.mark.parametrize("threshold", [0, 1, DAY - 1, DAY, 30 * DAY])
def test_the_freezing_limit_is_the_daily_rate_for_the_time_of_the_threshold(threshold):
    paying = canister(A, Empty(), memory_allocation=GIBIBYTE, compute_allocation=2, freezing_threshold=threshold)
    rate = 317_500 * DAY + 2 * 10_000_000 * DAY
    assert idle_cycles_burned_per_day(PROFILE, paying) == rate
    assert freezing_limit(PROFILE, paying) == rate * threshold // DAY
    larger = evolve(paying, subnet=Subnet(paying.subnet.subnet_id, 26))
    assert freezing_limit(PROFILE, larger) == 2 * rate * threshold // DAY


@pytest.mark.checklist("def.liquid-balance")
@pytest.mark.parametrize(("reserved", "liquid"), [(0, -60), (40, -20), (60, 0), (100, 40), (101, 40), (10**6, 40)])
def test_the_reserved_balance_covers_the_freezing_limit_first_and_adds_nothing_beyond_it(reserved, liquid):
    """In hundredths of the freezing limit; the balance is 40 of them."""
    limit = freezing_limit(PROFILE, canister(A, Empty(), memory_allocation=GIBIBYTE, freezing_threshold=1))
    paying = canister(
        A,
        Empty(),
        balance=40 * limit // 100,
        reserved_balance=reserved * limit // 100,
        memory_allocation=GIBIBYTE,
        freezing_threshold=1,
    )
    assert liquid_balance(PROFILE, paying) == liquid * limit // 100


def test_a_response_longer_than_a_payload_costs_what_was_set_aside_for_it() -> None:
    longest = PROFILE.limits.inter_canister_payload
    assert response_fee(PROFILE, Reply(bytes(longest - 1)), 13) < response_fee(PROFILE, Reply(bytes(longest)), 13)
    assert response_fee(PROFILE, Reply(bytes(longest + 20)), 13) == response_fee(PROFILE, Reply(bytes(longest)), 13)
