"""Arguments of management methods, from and to Candid."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from spec.values.candid import CandidError, CandidType, CandidValue, decode, encode
from spec.values.checklist import defines
from spec.values.identifiers import Blob, MethodName
from spec.values.management import bitcoin, chunk_store, information, keys, outcalls, snapshots, types
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
from spec.values.management.shapes import Shape

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
    "clear_chunk_store": (types.CANISTER_ID, _canister_id),
    "stored_chunks": (types.CANISTER_ID, _canister_id),
    "list_canister_snapshots": (types.CANISTER_ID, _canister_id),
    "canister_metrics": (types.CANISTER_ID, _canister_id),
}
"""Methods that take one record: its type, and how its fields are read."""

_SHAPES: Final[Mapping[MethodName, Shape]] = {
    **chunk_store.ARGUMENTS,
    **snapshots.ARGUMENTS,
    **information.ARGUMENTS,
    **keys.ARGUMENTS,
    **outcalls.ARGUMENTS,
    **bitcoin.ARGUMENTS,
}
"""The other methods that take one record."""

ARGUMENT_TYPES: Final[Mapping[MethodName, CandidType]] = {
    **{name: candid_type for name, (candid_type, _) in _RECORDS.items()},
    **{name: shape.candid_type for name, shape in _SHAPES.items()},
}
"""The type of what each method takes, but for `raw_rand`, which takes nothing."""

AnyArguments = (
    ManagementArguments
    | chunk_store.UploadChunkArguments
    | chunk_store.InstallChunkedCodeArguments
    | snapshots.TakeSnapshotArguments
    | snapshots.LoadSnapshotArguments
    | snapshots.SnapshotArguments
    | snapshots.ReadSnapshotDataArguments
    | snapshots.UploadSnapshotDataArguments
    | snapshots.UploadSnapshotMetadataArguments
    | information.CanisterInfoArguments
    | information.CanisterMetadataArguments
    | information.NodeMetricsHistoryArguments
    | information.SubnetInfoArguments
    | keys.EcdsaPublicKeyArguments
    | keys.SignWithEcdsaArguments
    | keys.SchnorrPublicKeyArguments
    | keys.SignWithSchnorrArguments
    | keys.VetkdPublicKeyArguments
    | keys.VetkdDeriveKeyArguments
    | outcalls.HttpRequestArguments
    | bitcoin.GetUtxosArguments
    | bitcoin.GetBalanceArguments
    | bitcoin.SendTransactionArguments
    | bitcoin.FeePercentilesArguments
    | bitcoin.GetBlockHeadersArguments
)
"""The argument of any method."""

_METHOD_OF: Final[Mapping[type, MethodName]] = {
    chunk_store.UploadChunkArguments: "upload_chunk",
    chunk_store.InstallChunkedCodeArguments: "install_chunked_code",
    snapshots.TakeSnapshotArguments: "take_canister_snapshot",
    snapshots.LoadSnapshotArguments: "load_canister_snapshot",
    snapshots.SnapshotArguments: "delete_canister_snapshot",
    snapshots.ReadSnapshotDataArguments: "read_canister_snapshot_data",
    snapshots.UploadSnapshotDataArguments: "upload_canister_snapshot_data",
    snapshots.UploadSnapshotMetadataArguments: "upload_canister_snapshot_metadata",
    information.CanisterInfoArguments: "canister_info",
    information.CanisterMetadataArguments: "canister_metadata",
    information.NodeMetricsHistoryArguments: "node_metrics_history",
    information.SubnetInfoArguments: "subnet_info",
    keys.EcdsaPublicKeyArguments: "ecdsa_public_key",
    keys.SignWithEcdsaArguments: "sign_with_ecdsa",
    keys.SchnorrPublicKeyArguments: "schnorr_public_key",
    keys.SignWithSchnorrArguments: "sign_with_schnorr",
    keys.VetkdPublicKeyArguments: "vetkd_public_key",
    keys.VetkdDeriveKeyArguments: "vetkd_derive_key",
    outcalls.HttpRequestArguments: "http_request",
    bitcoin.GetUtxosArguments: "bitcoin_get_utxos",
    bitcoin.GetBalanceArguments: "bitcoin_get_balance",
    bitcoin.SendTransactionArguments: "bitcoin_send_transaction",
    bitcoin.FeePercentilesArguments: "bitcoin_get_current_fee_percentiles",
    bitcoin.GetBlockHeadersArguments: "bitcoin_get_block_headers",
}
"""A method that takes a record of this class."""

MANAGEMENT_METHODS: Final[frozenset[MethodName]] = frozenset(_RECORDS) | frozenset(_SHAPES) | {"raw_rand"}
"""The methods whose arguments this module knows."""


SHORT: Final = 4_096
"""Arguments of at most so many bytes are kept decoded in large numbers: several rules ask for each. Of longer, few."""


@defines("mgmt-general.candid-interface", "unspec.fn.candid-decoding")
def decode_arguments(method_name: MethodName, argument: Blob) -> AnyArguments | None:
    """
    The argument of a management method as a record; None if it cannot be read or there is no such method.

    The record's class is that of the method, for instance `InstallCodeArguments` for `install_code`.
    """
    return (_decode_short if len(argument) <= SHORT else _decode_long)(method_name, argument)


def _decode(method_name: MethodName, argument: Blob) -> AnyArguments | None:
    if method_name == "raw_rand":
        return None if isinstance(decode((), argument), CandidError) else RawRandArguments()
    if method_name not in MANAGEMENT_METHODS:
        return None
    candid_type, read = _RECORDS.get(method_name) or _shape_of(method_name)
    match decode((candid_type,), argument):
        case (values,):
            return read(values)
        case _:
            return None


_decode_short = lru_cache(maxsize=1 << 10)(_decode)
_decode_long = lru_cache(maxsize=8)(_decode)


def _shape_of(method_name: MethodName) -> tuple[CandidType, Callable[[Values], AnyArguments]]:
    shape = _SHAPES[method_name]
    return shape.candid_type, shape.read


def encode_arguments(arguments: AnyArguments) -> Blob:
    """The Candid message that a caller of the method sends. Raises `ValueError` for values out of their range."""
    if type(arguments) in _METHOD_OF:
        shape = _SHAPES[_METHOD_OF[type(arguments)]]
        return encode((shape.candid_type,), (shape.write(arguments),))
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
        case CreateCanisterArguments() | ProvisionalCreateArguments() | UpdateSettingsArguments():
            return _encode_with_settings(arguments)
        case _:
            raise AssertionError(f"the shape of {type(arguments).__name__} is known")


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
