"""The small worlds: a few canisters, a few calls, and every order in which things can happen."""

from collections.abc import Callable
from typing import Final

from attrs import evolve

from conformance.canisters.library import load
from conformance.canisters.scripted import (
    RELAY_REJECT,
    RELAY_REPLY,
    accept_cycles,
    add_to_counter,
    bytes_of_u64,
    call,
    counter,
    ignore,
    memory_grow,
    program,
    reply,
    set_on_low_wasm_memory,
    stable_append,
    stable_content,
    trap,
)
from properties.exploration.explorer import World
from spec.machine import initial_state, step, submission_label
from spec.profile import Profile
from spec.settling import settled
from spec.state.canister import Stopped, Subnet
from spec.state.label import Label
from spec.state.message import CallMessage, ResponseMessage
from spec.state.origin import Deadline, FromCanister
from spec.state.request import Rejected, Replied, Request
from spec.state.state import State
from spec.transition import Step
from spec.values import management
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, MethodName, Principal, Text, self_authenticating_id
from spec.values.quantities import NANOSECONDS_PER_SECOND, WASM_PAGE, Cycles

USER: Final = self_authenticating_id(b"user")
FIRST, SECOND = (Principal(number.to_bytes(8, "big") + b"\x01\x01") for number in range(2))
START: Final = 1_700_000_000 * NANOSECONDS_PER_SECOND


class NoSuchWorld(Exception):
    """The world cannot be under a profile. The message is one line."""


def empty_world(profile: Profile) -> State:
    """A world without canisters."""
    return initial_state(profile, Subnet(Principal(b"\x00" * 9 + b"\x01"), 13), START)


def submitted(state: State, callee: Principal, method_name: MethodName, argument: Blob, nonce: int) -> State:
    """The state in which one more request is known."""
    request = Request(nonce.to_bytes(8, "big"), START + 10**12, USER, callee, method_name, argument)
    arguments = management.decode_arguments(method_name, argument) if callee == MANAGEMENT_CANISTER else None
    effective_id = getattr(arguments, "canister_id", None) or callee or Principal(b"\x00")
    result = step(state, submission_label(request, effective_id))
    assert isinstance(result, Step), result
    return result.state


def with_canisters(profile: Profile, *modules: Text, cycles: Cycles = 10**14) -> State:
    """A world with installed canisters, FIRST, SECOND and so on, in which nothing is going on."""
    state = empty_world(profile)
    for number, module in enumerate(modules):
        canister_id = Principal(number.to_bytes(8, "big") + b"\x01\x01")
        created = management.ProvisionalCreateArguments(amount=cycles, specified_id=canister_id)
        installed = management.InstallCodeArguments(management.InstallMode(), canister_id, load(module))
        for method_name, arguments in (
            ("provisional_create_canister_with_cycles", created),
            ("install_code", installed),
        ):
            encoded = management.encode_arguments(arguments)
            state = settled(submitted(state, MANAGEMENT_CANISTER, method_name, encoded, 1000 + number))[0]
    for _, known in state.requests.items():
        if not isinstance(known.status, Replied):
            raise NoSuchWorld(f"the profile {profile.name!r} does not let {known.request.method_name} succeed")
    return forgotten(state)


def forgotten(state: State) -> State:
    """The world without the requests that set it up, so that its states say only what they are about."""
    return evolve(state, requests=type(state.requests)())


def everyone_is_answered(state: State) -> Text | None:
    """At the end no request is left without an answer."""
    for request_id, known in state.requests.items():
        if not isinstance(known.status, Replied | Rejected):
            return f"the request {request_id.hex()[:8]} is never answered"
    return None


def manage(state: State, method_name: MethodName, canister_id: Principal, nonce: int) -> State:
    """The state in which a user asks for something about a canister."""
    encoded = management.encode_arguments(management.CanisterIdArguments(canister_id))
    return submitted(state, MANAGEMENT_CANISTER, method_name, encoded, nonce)


# Worlds


def two_callers(profile: Profile) -> State:
    """Two canisters call each other with cycles, at the same time."""
    state = with_canisters(profile, "scripted", "scripted")
    inner = program(accept_cycles(10**9), reply(bytes_of_u64(counter(0))))
    outer = program(add_to_counter(0), call(SECOND, "update", inner, cycles=2 * 10**9, on_reply=RELAY_REPLY))
    back = program(add_to_counter(0), call(FIRST, "update", inner, cycles=3 * 10**9, on_reply=RELAY_REPLY))
    return submitted(submitted(state, FIRST, "update", outer, 1), SECOND, "update", back, 2)


def stop_while_awaiting(profile: Profile) -> State:
    """A canister is stopped while it awaits a response of a call that itself calls back."""
    state = with_canisters(profile, "scripted", "scripted")
    outer = program(call(SECOND, "update", program(reply(b"done")), on_reply=RELAY_REPLY, on_reject=RELAY_REJECT))
    return manage(submitted(state, FIRST, "update", outer, 1), "stop_canister", FIRST, 2)


def upgrade_between(profile: Profile) -> State:
    """A canister is upgraded while a call of its own is under way."""
    state = with_canisters(profile, "scripted", "scripted")
    outer = program(
        stable_append(b"before"),
        call(SECOND, "update", program(reply(b"")), on_reply=program(reply(stable_content()))),
    )
    upgrade = management.InstallCodeArguments(management.UpgradeMode(), FIRST, load("scripted"))
    asked = submitted(state, FIRST, "update", outer, 1)
    return submitted(asked, MANAGEMENT_CANISTER, "install_code", management.encode_arguments(upgrade), 2)


def uninstall_while_awaiting(profile: Profile) -> State:
    """Code is uninstalled while the canister both owes a response and awaits one that carries cycles."""
    state = with_canisters(profile, "scripted", "scripted")
    outer = program(call(SECOND, "update", program(reply(b"")), cycles=10**9, on_reply=RELAY_REPLY))
    asked = submitted(state, FIRST, "update", outer, 1)
    encoded = management.encode_arguments(management.UninstallCodeArguments(FIRST))
    return submitted(asked, MANAGEMENT_CANISTER, "uninstall_code", encoded, 2)


def trap_after_await(profile: Profile) -> State:
    """A callback traps and its cleanup runs, beside another call to the same canister."""
    state = with_canisters(profile, "scripted", "scripted")
    outer = program(
        add_to_counter(0),
        call(
            SECOND,
            "update",
            program(accept_cycles(7), reply(b"")),
            cycles=10,
            on_reply=program(add_to_counter(1), trap(b"planned")),
            on_cleanup=program(add_to_counter(2)),
        ),
    )
    other = program(reply(bytes_of_u64(counter(0) + counter(1) * 16 + counter(2) * 256)))
    return submitted(submitted(state, FIRST, "update", outer, 1), FIRST, "update", other, 2)


def trapping_callee(profile: Profile) -> State:
    """A callee traps, and the cycles sent with the call come back to a caller that is being called meanwhile."""
    state = with_canisters(profile, "scripted", "scripted")
    failing = program(accept_cycles(7), trap(b"planned"))
    outer = program(
        call(SECOND, "update", failing, cycles=10, on_reply=RELAY_REPLY, on_reject=RELAY_REJECT, on_cleanup=b"")
    )
    return submitted(submitted(state, FIRST, "update", outer, 1), FIRST, "update", program(reply(b"")), 2)


def bounded_wait(profile: Profile) -> State:
    """A bounded-wait call with cycles, which may expire at any time."""
    state = with_canisters(profile, "scripted", "scripted")
    outer = program(
        call(
            SECOND,
            "update",
            program(accept_cycles(3), reply(b"late")),
            cycles=10,
            timeout_seconds=10,
            on_reply=RELAY_REPLY,
            on_reject=RELAY_REJECT,
        )
    )
    return submitted(state, FIRST, "update", outer, 1)


def expiries(state: State) -> list[Label]:
    """Every way in which a bounded-wait call can expire."""
    messages = [
        Label("call_expiry_of_message", {"message_id": message_id})
        for message_id in state.messages.ids()
        if isinstance(state.messages[message_id], CallMessage | ResponseMessage)
        and has_deadline(state.messages[message_id])
    ]
    contexts = [
        Label("call_expiry_of_call_context", {"context_id": context_id})
        for context_id, context in state.call_contexts.items()
        if isinstance(context.origin, FromCanister) and isinstance(context.origin.deadline, Deadline)
    ]
    return messages + contexts


def expiries_and_drops(state: State) -> list[Label]:
    """Every way in which a bounded-wait call can expire, and in which what comes later is dropped."""
    drops = [
        Label("drop_expired_message", {"message_id": message_id, **choice})
        for message_id in state.messages.ids()
        for choice in ({}, {"refunds_cycles": True})
    ]
    return expiries(state) + drops


def low_memory(profile: Profile) -> State:
    """A heap grows beyond its threshold while other calls wait."""
    state = with_canisters(profile, "scripted_tasks")
    settings = management.SettingsArguments(wasm_memory_limit=4 * WASM_PAGE, wasm_memory_threshold=WASM_PAGE)
    changed = management.encode_arguments(management.UpdateSettingsArguments(FIRST, settings))
    state = forgotten(settled(submitted(state, MANAGEMENT_CANISTER, "update_settings", changed, 900))[0])
    grows = program(
        set_on_low_wasm_memory(program(stable_append(b"hook"))), ignore(memory_grow(3)), reply(stable_content())
    )
    state = submitted(state, FIRST, "update", grows, 1)
    return submitted(state, FIRST, "update", program(reply(stable_content())), 2)


def has_deadline(message: object) -> bool:
    """The message belongs to a bounded-wait call that has not expired."""
    origin = getattr(message, "origin", None)
    return isinstance(origin, FromCanister) and isinstance(origin.deadline, Deadline)


def stopped_at_the_end(state: State) -> Text | None:
    """Everybody is answered, and the canister that was to stop has stopped."""
    if not isinstance(state.canisters[FIRST].status, Stopped):
        return "the canister never stops"
    return everyone_is_answered(state)


def _world(name: Text, begin: Callable[[Profile], State], **more: object) -> World:
    title = (begin.__doc__ or name).strip()
    arguments = {"expects": everyone_is_answered, "without": TASKS, **more}
    return World(name=name, title=title, begin=begin, **arguments)  # type: ignore[arg-type]


TASKS: Final = frozenset({"global_timer_context_creation", "heartbeat_context_creation"})

WORLDS: Final[dict[Text, World]] = {
    world.name: world
    for world in (
        _world("two-callers", two_callers),
        _world("stop-while-awaiting", stop_while_awaiting, expects=stopped_at_the_end),
        _world("upgrade-between", upgrade_between),
        _world("uninstall-while-awaiting", uninstall_while_awaiting),
        _world("trap-after-await", trap_after_await),
        _world("trapping-callee", trapping_callee),
        _world("bounded-wait", bounded_wait, also=expiries_and_drops),
        _world("low-memory-hook", low_memory),
    )
}
"""The worlds by name."""
