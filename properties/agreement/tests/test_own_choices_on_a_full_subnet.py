"""Where the subnet has little left, both engines refuse the same calls and growths by themselves."""

from functools import cache

import pytest
from attrs import evolve

from conformance.canisters import ic0
from conformance.canisters import scripted as s
from conformance.canisters.library import load
from conformance.canisters.scripted import call, program, reply
from properties.agreement.stage import Stage
from properties.agreement.tests.test_memory_on_a_full_subnet import changed
from properties.agreement.tests.test_own_choices import run_alone
from spec.production.capacities.room import free_memory, free_message_memory
from spec.production.capacities.usage import callbacks_taken, guaranteed_message_memory, largest_response
from spec.profile import Profile, load_profile
from spec.state.request import Replied
from spec.values.identifiers import CanisterId
from spec.values.quantities import WASM_PAGE

MODULE = load("scripted")
PROFILE = load_profile()
RESPONSE = largest_response(PROFILE.limits)
FAILED = 2**32 - 1


@cache
def used() -> int:
    """What two canisters of these use."""
    stage = Stage()
    for _ in range(2):
        stage.installed(MODULE)
    limits = stage.state.profile.limits
    return limits.subnet_memory - stage.state.profile.capacities.memory_for_callbacks - free_memory(stage.state)


def full(memory: int | None = None, **capacities: int) -> Profile:
    """A profile with one core and these capacities; so much memory is left after two canisters."""
    given = {"memory_for_callbacks": 0, **capacities}
    limits = PROFILE.limits
    if memory is not None:
        limits = evolve(limits, subnet_memory=used() + memory)
    return evolve(
        PROFILE,
        limits=limits,
        rounds=evolve(PROFILE.rounds, threads=1),
        capacities=evolve(PROFILE.capacities, **given),
    )


def replies(stage: Stage) -> list[bytes]:
    """What the requests were answered with that were answered."""
    statuses = [known.status for _, known in stage.state.requests.items()]
    return [status.data for status in statuses if isinstance(status, Replied)]


def numbers(*given: s.Integer) -> s.Bytes:
    """Numbers, one behind the other."""
    return s.concat(*(s.bytes_of_u32(one) for one in given))


def told(stage: Stage) -> list[int]:
    """The numbers of the last reply."""
    (data,) = [one for one in replies(stage) if len(one) % 4 == 0 and one]
    return [int.from_bytes(data[place : place + 4], "little") for place in range(0, len(data), 4)]


@pytest.mark.checklist("unspec.fn.stable-grow", "prod.system_api.growing_wasm_memory_updates_subnet_available_memory")
def test_growths_for_which_no_memory_is_left_fail_and_smaller_ones_after_them_succeed() -> None:
    stage = Stage(full(5 * WASM_PAGE))
    canister, _ = stage.installed(MODULE), stage.installed(MODULE)
    pages = stage.wasm_state(canister).wasm_memory.wasm_pages
    growing = numbers(ic0.stable_grow(3), s.memory_grow(4), ic0.stable_grow(1), s.memory_grow(1), ic0.stable_grow(1))
    (made,) = run_alone(stage, canister, program(reply(growing)))
    assert made["refused_growths"] == (1, 4)
    assert told(stage) == [0, FAILED, 3, pages, FAILED]
    assert free_memory(stage.state) == 0


def test_what_is_allocated_is_there_on_a_full_subnet() -> None:
    stage = Stage(full(0))
    canister, _ = stage.installed(MODULE), stage.installed(MODULE)
    changed(
        stage, canister, memory_allocation=stage.lockstep.engine.instance.canisters[canister].memory_usage() + WASM_PAGE
    )
    assert free_memory(stage.state) < 0
    (made,) = run_alone(stage, canister, program(reply(numbers(ic0.stable_grow(1), ic0.stable_grow(1)))))
    assert made["refused_growths"] == (1,)
    assert told(stage) == [0, FAILED]


def writing_behind(pages: int) -> bytes:
    """Stable memory is to grow by so many pages, and then something is written into it."""
    return program(s.ignore(ic0.stable64_grow(pages)), ic0.stable64_write(0, bytes(8)), reply(b""))


def is_out_of_bounds(stage: Stage, canister: CanisterId, argument: bytes) -> bool:
    """The last execution traps behind a growth that was refused."""
    last = run_alone(stage, canister, argument)[-1]
    return last.get("refused_growths") == (0,) and last["system_records"] == (b"[TRAP]: stable memory out of bounds",)


@pytest.mark.checklist("prod.stable_memory_tests.stable_write_traps_after_failed_stable_grow_due_to_subnet_memory")
def test_a_write_behind_a_growth_by_all_memory_of_the_subnet_traps() -> None:
    """On a subnet of 20 GiB."""
    stage = Stage(evolve(full(), limits=evolve(PROFILE.limits, subnet_memory=20 * 2**30)))
    assert is_out_of_bounds(stage, stage.installed(MODULE), writing_behind(20 * 2**30 // WASM_PAGE))


@pytest.mark.checklist("prod.execution_test.subnet_memory_reservation_scales_with_number_of_cores")
@pytest.mark.parametrize(("pages", "traps"), [(40, True), (11, True), (10, False)])
def test_a_callback_grows_into_a_fourth_of_what_is_kept_for_callbacks(pages: int, traps: bool) -> None:
    """On a subnet with four cores, with 40 pages kept for callbacks and hardly anything beside."""
    profile = full(40 * WASM_PAGE + 1_000, memory_for_callbacks=40 * WASM_PAGE)
    stage = Stage(evolve(profile, rounds=evolve(profile.rounds, threads=4)))
    canister, other = stage.installed(MODULE), stage.installed(MODULE)
    calling = program(call(other, "update", program(reply(b"")), on_reply=writing_behind(pages)))
    assert is_out_of_bounds(stage, canister, calling) == traps


def calling_self(stage: Stage, canister: bytes, count: int) -> bytes:
    """So many calls to itself, and then a reply with the number of those that were refused."""
    made = [call(canister, "update", program(reply(b"")), if_refused=s.add_to_counter(1)) for _ in range(count)]
    return program(*made, reply(s.bytes_of_u64(s.counter(1))))


@pytest.mark.checklist("prod.system_api.push_output_request_respects_memory_limits", "unspec.fn.system-cannot-call-now")
def test_calls_for_which_no_memory_of_messages_is_left_fail() -> None:
    stage = Stage(full(guaranteed_message_memory=3 * RESPONSE + 13))
    canister = stage.installed(MODULE)
    executions = run_alone(stage, canister, calling_self(stage, canister, 5))
    assert executions[0]["refused_calls"] == (3, 4)
    assert guaranteed_message_memory(stage.state) == 0
    assert free_message_memory(stage.state) == 3 * RESPONSE + 13


@pytest.mark.checklist("prod.hypervisor.call_perform_fails_when_out_of_subnet_callbacks")
@pytest.mark.parametrize(("shared", "of_canister", "made"), [(4, 3, 4), (2, 3, 3), (0, 0, 0)])
def test_calls_for_which_no_callback_is_left_fail(shared: int, of_canister: int, made: int) -> None:
    stage = Stage(full(callbacks=shared, callbacks_of_canister=of_canister))
    canister = stage.installed(MODULE)
    executions = run_alone(stage, canister, calling_self(stage, canister, 5))
    assert executions[0]["refused_calls"] == tuple(range(made, 5))
    assert callbacks_taken(stage.state) == 0


def test_calls_and_growths_are_refused_in_one_execution() -> None:
    """The second growth is asked for only if the second call fails."""
    stage = Stage(full(2 * WASM_PAGE, callbacks=1, callbacks_of_canister=0))
    canister, other = stage.installed(MODULE), stage.installed(MODULE)

    def one(otherwise: s.Action) -> s.Action:
        return call(other, "update", program(reply(b"")), if_refused=otherwise)

    growing = s.ignore(ic0.stable_grow(3))
    executions = run_alone(
        stage, canister, program(growing, one(growing), one(growing), s.ignore(ic0.stable_grow(2)), reply(b"done"))
    )
    assert executions[0]["refused_calls"] == (1,)
    assert executions[0]["refused_growths"] == (0, 1)
    assert free_memory(stage.state) == 0
