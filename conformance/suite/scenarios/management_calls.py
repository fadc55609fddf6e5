"""What scenarios about management methods share."""

from typing import Any

from attrs import evolve

from conformance.canisters.scripted import (
    RELAY_REPLY,
    REPLY_REJECT_CODE,
    call,
    program,
)
from conformance.judging.patterns import Pattern, replies_where, replies_with
from conformance.protocol.interface import Replied, Seen
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.canister_terms import AllowedViewers, Visibility
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, Text
from spec.values.quantities import Cycles
from spec.values.rejects import RejectCode

DONE = replies_with(management.EMPTY_RESULT)


def asking(method_name: Text, argument: Blob | management.AnyArguments, cycles: int = 0) -> Blob:
    """A program that calls the management canister and relays its reply, or replies with the reject code."""
    encoded = argument if isinstance(argument, bytes) else management.encode_arguments(argument)
    return program(call(b"", method_name, encoded, cycles=cycles, on_reply=RELAY_REPLY, on_reject=REPLY_REJECT_CODE))


def told(code: RejectCode) -> Pattern:
    """The canister was told a reject with this code."""
    return replies_with(int(code).to_bytes(4, "little"))


def told_a_reject(and_then: Blob = b"") -> Pattern:
    """The canister, which waits without bound, was told a reject with any code, and then says this."""

    def holds(data: Blob) -> bool:
        codes = set(RejectCode) - {RejectCode.SYS_UNKNOWN}
        return int.from_bytes(data[:4], "little") in codes and data[4:] == and_then

    return replies_where(f"that tells any reject code, and then 0x{and_then.hex()}", holds)


REJECTED = told_a_reject()
"""The canister was told a reject. Which code a method of the management canister rejects with is left open."""

CANISTER_ERROR = told(RejectCode.CANISTER_ERROR)


def results_in(method_name: Text, expected: Any) -> Pattern:
    """The reply is this result of a method."""
    return replies_where(
        f"with {expected!r:.80}", lambda data: bool(management.decode_result(method_name, data) == expected)
    )


def result_of(method_name: Text, seen: Seen) -> Any:
    """The result in a reply. Raises `ValueError` if there is none, as a scenario that goes on with it cannot."""
    if not isinstance(seen, Replied):
        raise ValueError(f"{method_name} gave no result")
    return management.decode_result(method_name, seen.data)


def manage(
    stage: Stage, canister: CanisterId, method_name: Text, arguments: management.AnyArguments, **other: Any
) -> Seen:
    """A user's call to a management method about a canister."""
    return stage.manage(method_name, management.encode_arguments(arguments), canister, **other)


def update_settings(stage: Stage, canister: CanisterId, **settings: Any) -> Seen:
    """Changes settings of a canister."""
    arguments = management.UpdateSettingsArguments(canister, management.SettingsArguments(**settings))
    return stage.manage("update_settings", arguments, canister)


def status_of(stage: Stage, canister: CanisterId) -> management.CanisterStatusResult:
    """The status of a canister, as its controller sees it."""
    seen = stage.about("canister_status", canister)
    if not isinstance(seen, Replied):
        raise ValueError("the status was not given")
    return management.decode_canister_status(seen.data)


def is_left(stage: Stage, left: Cycles, cycles: Cycles) -> bool:
    """So many cycles are left of these: all of them, unless canisters pay for resources what nobody knows."""
    return left == cycles if stage.knows_prices else left <= cycles


def in_order(settings: management.DefiniteSettings) -> management.DefiniteSettings:
    """The settings with what has no order in the order of this suite. Checklist: `unspec.order.sets`."""
    return evolve(
        settings,
        controllers=List(tuple(sorted(settings.controllers))),
        environment_variables=List(tuple(sorted(settings.environment_variables, key=lambda each: each.name))),
        log_visibility=visibility_in_order(settings.log_visibility),
        snapshot_visibility=visibility_in_order(settings.snapshot_visibility),
        status_visibility=visibility_in_order(settings.status_visibility),
    )


def visibility_in_order(visibility: Visibility) -> Visibility:
    """The visibility with its viewers in the order of this suite."""
    match visibility:
        case AllowedViewers(viewers):
            return AllowedViewers(List(tuple(sorted(viewers))))
        case _:
            return visibility
