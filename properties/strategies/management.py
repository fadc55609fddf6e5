"""Calls to the management canister, generated."""

from collections.abc import Sequence

from hypothesis import strategies as st

from spec.values import management
from spec.values.canister_terms import WasmMemoryPersistence
from spec.values.containers import List
from spec.values.identifiers import Blob, MethodName, Principal

ManagementCall = tuple[MethodName, Blob]
"""A method and its encoded argument."""

CONTROLS = ("start_canister", "stop_canister", "uninstall_code", "delete_canister", "canister_status", "deposit_cycles")
"""Methods that take a canister id and perhaps a version."""

BROKEN_MODULES = (b"", b"\x00asm\x01\x00\x00\x00\xff", b"\x1f\x8b\x08garbage")


def controls(canisters: Sequence[Principal]) -> st.SearchStrategy[ManagementCall]:
    """Calls that only name a canister."""

    def call(method_name: MethodName, canister_id: Principal) -> ManagementCall:
        if method_name == "uninstall_code":
            return method_name, management.encode_arguments(management.UninstallCodeArguments(canister_id))
        return method_name, management.encode_arguments(management.CanisterIdArguments(canister_id))

    return st.builds(call, st.sampled_from(CONTROLS), st.sampled_from([*canisters, Principal(b"\x09\x09")]))


def installations(
    canisters: Sequence[Principal], modules: Sequence[Blob], arguments: st.SearchStrategy[Blob]
) -> st.SearchStrategy[ManagementCall]:
    """Installations of these modules, and of some that are none, in all modes."""
    modes = st.one_of(
        st.just(management.InstallMode()),
        st.just(management.ReinstallMode()),
        st.builds(
            management.UpgradeMode,
            st.booleans(),
            st.sampled_from([None, WasmMemoryPersistence.KEEP, WasmMemoryPersistence.REPLACE]),
        ),
    )
    return st.builds(
        lambda mode, canister_id, module, argument: (
            "install_code",
            management.encode_arguments(management.InstallCodeArguments(mode, canister_id, module, argument)),
        ),
        modes,
        st.sampled_from([*canisters]),
        st.sampled_from([*modules, *modules, *BROKEN_MODULES]),
        arguments,
    )


def settings_changes(canisters: Sequence[Principal], users: Sequence[Principal]) -> st.SearchStrategy[ManagementCall]:
    """Changes of settings, some beyond the limits."""
    changes = st.builds(
        management.SettingsArguments,
        controllers=st.sampled_from([None, List((*users,)), List((*users, *canisters)), List()]),
        compute_allocation=st.sampled_from([None, None, 0, 1, 101]),
        memory_allocation=st.sampled_from([None, None, 0, 2**30]),
        freezing_threshold=st.sampled_from([None, 0, 2_592_000, 2**40]),
        minimum_incoming_canister_call_cycles=st.sampled_from([None, 0, 10**9]),
        wasm_memory_limit=st.sampled_from([None, 0, 1, 2**20]),
    )
    return st.builds(
        lambda canister_id, settings: (
            "update_settings",
            management.encode_arguments(management.UpdateSettingsArguments(canister_id, settings)),
        ),
        st.sampled_from([*canisters]),
        changes,
    )


def top_ups(canisters: Sequence[Principal]) -> st.SearchStrategy[ManagementCall]:
    """Cycles from nowhere, for canisters and for one that does not exist."""
    return st.builds(
        lambda canister_id, amount: (
            "provisional_top_up_canister",
            management.encode_arguments(management.ProvisionalTopUpArguments(canister_id, amount)),
        ),
        st.sampled_from([*canisters, Principal(b"\x09\x09")]),
        st.sampled_from([0, 1, 10**12]),
    )


def oddities() -> st.SearchStrategy[ManagementCall]:
    """Creation, random numbers, unknown methods, and arguments that do not decode."""
    return st.sampled_from(
        [
            ("raw_rand", management.encode_arguments(management.RawRandArguments())),
            ("create_canister", management.encode_arguments(management.CreateCanisterArguments())),
            (
                "provisional_create_canister_with_cycles",
                management.encode_arguments(management.ProvisionalCreateArguments(amount=10**12)),
            ),
            ("no_such_method", b"DIDL\x00\x00"),
            ("install_code", b"not Candid"),
            ("canister_status", b"DIDL\x00\x00"),
        ]
    )


def management_calls(
    canisters: Sequence[Principal],
    users: Sequence[Principal],
    modules: Sequence[Blob],
    arguments: st.SearchStrategy[Blob],
) -> st.SearchStrategy[ManagementCall]:
    """All of the above."""
    return st.one_of(
        controls(canisters),
        controls(canisters),
        installations(canisters, modules, arguments),
        settings_changes(canisters, users),
        top_ups(canisters),
        oddities(),
    )
