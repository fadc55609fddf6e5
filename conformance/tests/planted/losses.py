"""Implementations that keep what should be lost, or lose what should be kept, after one kind of event."""

from collections.abc import Callable
from typing import Final

from attrs import evolve

from conformance.tests.planted.meetings import After
from spec.canister.wasm_state import WasmState
from spec.state.canister import Canister, Code
from spec.values.containers import Map

Wrong = Callable[[Canister, Canister], Canister]
"""From a canister before and after a transition to what it should not be."""


def _with_state(canister: Canister, change: Callable[[WasmState], WasmState]) -> Canister:
    if not isinstance(canister.code, Code):
        return canister
    return evolve(canister, code=evolve(canister.code, wasm_state=change(canister.code.wasm_state)))


def _keeps_stable_memory(before: Canister, after: Canister) -> Canister:
    if not isinstance(before.code, Code):
        return after
    kept = before.code.wasm_state.stable_memory
    return _with_state(after, lambda state: evolve(state, stable_memory=kept))


def _keeps_globals(before: Canister, after: Canister) -> Canister:
    if not isinstance(before.code, Code):
        return after
    kept = before.code.wasm_state.globals
    return _with_state(after, lambda state: evolve(state, globals=kept))


def _keeps_certified_data(before: Canister, after: Canister) -> Canister:
    return evolve(after, certified_data=before.certified_data)


def _loses_certified_data(before: Canister, after: Canister) -> Canister:
    return evolve(after, certified_data=b"")


def _loses_timer(before: Canister, after: Canister) -> Canister:
    return evolve(after, global_timer=0)


def _loses_snapshots(before: Canister, after: Canister) -> Canister:
    return evolve(after, snapshots=Map())


def _loses_chunks(before: Canister, after: Canister) -> Canister:
    return evolve(after, chunk_store=Map())


def _keeps_chunks(before: Canister, after: Canister) -> Canister:
    return evolve(after, chunk_store=before.chunk_store)


def _keeps_logs(before: Canister, after: Canister) -> Canister:
    return evolve(after, logs=before.logs)


def _loses_settings(before: Canister, after: Canister) -> Canister:
    return evolve(after, settings=evolve(after.settings, freezing_threshold=2_592_000))


def _keeps_version(before: Canister, after: Canister) -> Canister:
    return evolve(after, version=before.version)


LOSSES: Final[dict[str, tuple[str, Wrong, str]]] = {
    "reinstalling keeps the stable memory": ("install_code", _keeps_stable_memory, "reinstall"),
    "reinstalling keeps the certified data": ("install_code", _keeps_certified_data, "reinstall"),
    "reinstalling loses the snapshots": ("install_code", _loses_snapshots, "reinstall"),
    "upgrading keeps the globals": ("upgrade_code", _keeps_globals, "upgrade"),
    "upgrading loses the certified data": ("upgrade_code", _loses_certified_data, "upgrade"),
    "upgrading loses the chunks": ("upgrade_code", _loses_chunks, "upgrade"),
    "upgrading resets the settings": ("upgrade_code", _loses_settings, "upgrade"),
    "upgrading with the heap keeps the globals": ("upgrade_code", _keeps_globals, "upgrade_keeping"),
    "uninstalling keeps the chunks": ("uninstall_code", _keeps_chunks, "uninstall"),
    "uninstalling keeps the logs": ("uninstall_code", _keeps_logs, "uninstall"),
    "uninstalling loses the snapshots": ("uninstall_code", _loses_snapshots, "uninstall"),
    "stopping loses the timer": ("stop_running_canister", _loses_timer, "stop"),
    "starting does not change the version": ("start_canister", _keeps_version, "stop"),
    "loading loses the timer": ("load_canister_snapshot", _loses_timer, "loading"),
    "loading loses the other snapshots": ("load_canister_snapshot", _loses_snapshots, "loading"),
    "loading keeps the globals": ("load_canister_snapshot", _keeps_globals, "loading"),
    "changing settings loses the certified data": ("update_settings", _loses_certified_data, "settings"),
}
"""The rule after which something is wrong, what, and the scenario of `kept_or_lost` that catches it."""


def planted(name: str) -> After:
    """The implementation of that name."""
    rule, wrong, _ = LOSSES[name]
    made = After()
    made.rules = (rule,)
    made.corrected = wrong  # type: ignore[method-assign]
    return made
