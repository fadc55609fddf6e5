"""Arguments of management methods, from and to Candid."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from spec.values.candid import CandidError, CandidType, CandidValue, decode, encode
from spec.values.identifiers import Blob, MethodName
from spec.values.management import types
from spec.values.management.conversions import (
    install_mode,
    install_mode_value,
    option,
    optional,
    settings,
    settings_value,
)
from spec.values.management.records import (
    CanisterIdArguments,
    CreateCanisterArguments,
    InstallCodeArguments,
    ManagementArguments,
    ProvisionalCreateArguments,
    ProvisionalTopUpArguments,
    RawRandArguments,
    SettingsArguments,
    UninstallCodeArguments,
    UpdateSettingsArguments,
)

Values = dict[str, CandidValue]


def _settings_or_none_given(value: Any) -> SettingsArguments:
    given = optional(value)
    return SettingsArguments() if given is None else settings(given)


def _create_canister(values: Values) -> CreateCanisterArguments:
    return CreateCanisterArguments(
        settings=_settings_or_none_given(values["settings"]),
        sender_canister_version=optional(values["sender_canister_version"]),
    )


def _provisional_create(values: Values) -> ProvisionalCreateArguments:
    return ProvisionalCreateArguments(
        amount=optional(values["amount"]),
        settings=_settings_or_none_given(values["settings"]),
        specified_id=optional(values["specified_id"]),
        sender_canister_version=optional(values["sender_canister_version"]),
    )


def _update_settings(values: Values) -> UpdateSettingsArguments:
    return UpdateSettingsArguments(
        canister_id=values["canister_id"],
        settings=settings(values["settings"]),
        sender_canister_version=optional(values["sender_canister_version"]),
    )


def _install_code(values: Values) -> InstallCodeArguments:
    return InstallCodeArguments(
        mode=install_mode(values["mode"]),
        canister_id=values["canister_id"],
        wasm_module=values["wasm_module"],
        arg=values["arg"],
        sender_canister_version=optional(values["sender_canister_version"]),
    )


def _uninstall_code(values: Values) -> UninstallCodeArguments:
    return UninstallCodeArguments(values["canister_id"], optional(values["sender_canister_version"]))


def _canister_id(values: Values) -> CanisterIdArguments:
    return CanisterIdArguments(values["canister_id"])


def _provisional_top_up(values: Values) -> ProvisionalTopUpArguments:
    return ProvisionalTopUpArguments(values["canister_id"], values["amount"])


_RECORDS: Final[Mapping[MethodName, tuple[CandidType, Callable[[Values], ManagementArguments]]]] = {
    "create_canister": (types.CREATE_CANISTER, _create_canister),
    "provisional_create_canister_with_cycles": (types.PROVISIONAL_CREATE_CANISTER_WITH_CYCLES, _provisional_create),
    "provisional_top_up_canister": (types.PROVISIONAL_TOP_UP_CANISTER, _provisional_top_up),
    "update_settings": (types.UPDATE_SETTINGS, _update_settings),
    "install_code": (types.INSTALL_CODE, _install_code),
    "uninstall_code": (types.UNINSTALL_CODE, _uninstall_code),
    "canister_status": (types.CANISTER_ID, _canister_id),
    "start_canister": (types.CANISTER_ID, _canister_id),
    "stop_canister": (types.CANISTER_ID, _canister_id),
    "delete_canister": (types.CANISTER_ID, _canister_id),
    "deposit_cycles": (types.CANISTER_ID, _canister_id),
}
"""The methods that take one record: its type, and how its fields are read."""

MANAGEMENT_METHODS: Final[frozenset[MethodName]] = frozenset(_RECORDS) | {"raw_rand"}
"""The methods whose arguments this module knows."""


def decode_arguments(method_name: MethodName, argument: Blob) -> ManagementArguments | None:
    """
    The argument of a management method as a record; None if it cannot be read or there is no such method.

    The record's class is that of the method, for instance `InstallCodeArguments` for `install_code`.
    """
    if method_name == "raw_rand":
        return None if isinstance(decode((), argument), CandidError) else RawRandArguments()
    if method_name not in _RECORDS:
        return None
    candid_type, read = _RECORDS[method_name]
    match decode((candid_type,), argument):
        case (values,):
            return read(values)
        case _:
            return None


def encode_arguments(arguments: ManagementArguments) -> Blob:
    """The Candid message that a caller of the method sends. Raises `ValueError` for values out of their range."""
    match arguments:
        case RawRandArguments():
            return encode((), ())
        case CanisterIdArguments():
            return encode((types.CANISTER_ID,), ({"canister_id": arguments.canister_id},))
        case UninstallCodeArguments():
            version = option(arguments.sender_canister_version)
            uninstalled = {"canister_id": arguments.canister_id, "sender_canister_version": version}
            return encode((types.UNINSTALL_CODE,), (uninstalled,))
        case ProvisionalTopUpArguments():
            topped_up = {"canister_id": arguments.canister_id, "amount": arguments.amount}
            return encode((types.PROVISIONAL_TOP_UP_CANISTER,), (topped_up,))
        case InstallCodeArguments():
            return _encode_install_code(arguments)
        case _:
            return _encode_with_settings(arguments)


def _encode_install_code(arguments: InstallCodeArguments) -> Blob:
    values = {
        "mode": install_mode_value(arguments.mode),
        "canister_id": arguments.canister_id,
        "wasm_module": arguments.wasm_module,
        "arg": arguments.arg,
        "sender_canister_version": option(arguments.sender_canister_version),
    }
    return encode((types.INSTALL_CODE,), (values,))


def _encode_with_settings(
    arguments: CreateCanisterArguments | ProvisionalCreateArguments | UpdateSettingsArguments,
) -> Blob:
    values: Values = {"sender_canister_version": option(arguments.sender_canister_version)}
    match arguments:
        case CreateCanisterArguments():
            values |= {"settings": option(settings_value(arguments.settings))}
            return encode((types.CREATE_CANISTER,), (values,))
        case ProvisionalCreateArguments():
            values |= {
                "amount": option(arguments.amount),
                "settings": option(settings_value(arguments.settings)),
                "specified_id": option(arguments.specified_id),
            }
            return encode((types.PROVISIONAL_CREATE_CANISTER_WITH_CYCLES,), (values,))
        case UpdateSettingsArguments():
            values |= {"canister_id": arguments.canister_id, "settings": settings_value(arguments.settings)}
            return encode((types.UPDATE_SETTINGS,), (values,))
