"""Programs of the scripted canister, generated."""

from collections.abc import Sequence

from hypothesis import strategies as st

from conformance.canisters import ic0
from conformance.canisters.expressions import Action, bytes_
from conformance.canisters.scripted import (
    NOTHING,
    RELAY_REJECT,
    RELAY_REPLY,
    accept_cycles,
    add_to_counter,
    append_to_slot,
    bytes_of_u64,
    call,
    counter,
    ignore,
    loop_forever,
    memory_grow,
    program,
    recurse_forever,
    reject,
    reply,
    sequence,
    set_global,
    slot,
    spin,
    stable_append,
    stable_content,
    trap,
    unreachable,
)
from properties.strategies.management import controls, oddities
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal

TEXTS = st.sampled_from([b"", b"a", b"state", b"x" * 100])
CYCLES = st.sampled_from([0, 1, 10**6, 10**9, 10**12, 10**15, 2**100])
METHODS = st.sampled_from(["update", "update", "update", "also_update", "query", "no such method", "composite"])


def effects() -> st.SearchStrategy[Action]:
    """Actions that leave something behind in the canister or the system."""
    return st.one_of(
        TEXTS.map(lambda text: append_to_slot(0, text)),
        st.integers(0, 3).map(lambda index: add_to_counter(index)),
        TEXTS.map(stable_append),
        st.integers(0, 2**40).map(set_global),
        TEXTS.map(ic0.certified_data_set),
        st.sampled_from([0, 1, 2**63]).map(lambda time: ignore(ic0.global_timer_set(time))),
        TEXTS.map(ic0.debug_print),
        CYCLES.map(lambda cycles: ignore(ic0.cycles_burn128(cycles))),
        CYCLES.map(accept_cycles),
        st.integers(0, 200).map(spin),
        st.sampled_from([0, 1, 3]).map(lambda pages: ignore(memory_grow(pages))),
        st.sampled_from([0, 1]).map(lambda pages: ignore(ic0.stable64_grow(pages))),
    )


def answers() -> st.SearchStrategy[Action]:
    """Actions that answer the call with something of the canister's state."""
    return st.sampled_from(
        [
            reply(slot(0)),
            reply(bytes_of_u64(counter(0))),
            reply(stable_content()),
            reply(ic0.msg_caller()),
            reply(bytes_of_u64(ic0.time())),
            reply(bytes_of_u64(ic0.canister_version())),
            reply(bytes_(ic0.canister_cycle_balance128())),
            reply(bytes_(ic0.canister_liquid_cycle_balance128())),
            reply(bytes_(ic0.msg_cycles_available128())),
            reply(bytes_of_u64(ic0.performance_counter(0))),
            reply(bytes_of_u64(ic0.performance_counter(1))),
            reply(bytes_of_u64(ic0.msg_deadline())),
            reply(ic0.cost_call(6, 10)),
            reject(b"no"),
            reject(slot(0)),
        ]
    )


FAILURES = st.sampled_from(
    [
        trap(b"planned"),
        unreachable(),
        loop_forever(),
        recurse_forever(),
        ignore(ic0.stable64_grow(2**63)),
        ic0.msg_reply() + ic0.msg_reply(),
    ]
)


def programs(canisters: Sequence[Principal], depth: int = 2) -> st.SearchStrategy[bytes]:
    """Programs that use the canisters with these ids, with calls nested to a depth."""
    pieces = [effects(), effects(), answers(), st.just(NOTHING)]
    if depth > 0:
        pieces += [calls(canisters, depth - 1), calls(canisters, depth - 1)]
    body = st.lists(st.one_of(*pieces), max_size=4)
    ending = st.one_of(answers(), answers(), st.just(NOTHING), FAILURES)
    return st.builds(lambda actions, last: program(*actions, last), body, ending)


def calling_programs(canisters: Sequence[Principal]) -> st.SearchStrategy[bytes]:
    """Programs that call somebody, and mostly leave the answer to the callbacks."""
    ending = st.one_of(st.just(NOTHING), st.just(NOTHING), effects(), answers())
    return st.builds(
        lambda actions, last: program(*actions, last), st.lists(calls(canisters, 1), min_size=1, max_size=3), ending
    )


def calls(canisters: Sequence[Principal], depth: int) -> st.SearchStrategy[Action]:
    """Calls to these canisters, to one that does not exist, and to the management canister."""
    return st.one_of(
        calls_of(
            st.sampled_from([*canisters, *canisters, Principal(b"\x00\x01\x02")]),
            METHODS,
            programs(canisters, depth),
            canisters,
        ),
        st.one_of(controls(canisters), oddities()).flatmap(
            lambda made: calls_of(st.just(MANAGEMENT_CANISTER), st.just(made[0]), st.just(made[1]), canisters)
        ),
    )


def calls_of(
    callees: st.SearchStrategy[Principal],
    methods: st.SearchStrategy[str],
    arguments: st.SearchStrategy[bytes],
    canisters: Sequence[Principal],
) -> st.SearchStrategy[Action]:
    """Calls with generated cycles, callbacks and time-outs."""
    callbacks = st.one_of(st.just(RELAY_REPLY), st.just(RELAY_REJECT), programs(canisters, 0))
    return st.builds(
        lambda callee, method, argument, cycles, replied, rejected, cleanup, timeout: call(
            callee,
            method,
            argument,
            cycles=cycles,
            on_reply=replied,
            on_reject=rejected,
            on_cleanup=cleanup,
            timeout_seconds=timeout,
            if_refused=append_to_slot(1, b"refused"),
        ),
        callees,
        methods,
        arguments,
        CYCLES,
        callbacks,
        callbacks,
        st.one_of(st.none(), programs(canisters, 0)),
        st.sampled_from([None, None, None, 10]),
    )


def init_programs() -> st.SearchStrategy[bytes]:
    """Programs for `canister_init` and `canister_post_upgrade`."""
    return st.lists(effects(), max_size=3).map(lambda actions: program(sequence(*actions)))
