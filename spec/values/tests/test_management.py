"""Arguments and results of management methods."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from spec.values.candid import BLOB, Case, Opt, Primitive, Record, Some, Variant, decode, encode
from spec.values.canister_terms import AllowedViewers, Controllers, EnvironmentVariable, Public, SimpleStatus
from spec.values.containers import List
from spec.values.identifiers import Principal
from spec.values.management import (
    EMPTY_RESULT,
    MANAGEMENT_METHODS,
    CanisterIdArguments,
    CanisterStatusResult,
    CreateCanisterArguments,
    DefiniteSettings,
    InstallCodeArguments,
    InstallMode,
    MemoryMetrics,
    ProvisionalCreateArguments,
    ProvisionalTopUpArguments,
    QueryStatistics,
    RawRandArguments,
    ReinstallMode,
    SettingsArguments,
    UninstallCodeArguments,
    UpdateSettingsArguments,
    UpgradeMode,
    WasmMemoryPersistence,
    decode_arguments,
    decode_blob_result,
    decode_canister_id_result,
    decode_canister_status,
    encode_arguments,
    encode_blob_result,
    encode_canister_id_result,
    encode_canister_status,
)

CANISTER = Principal(bytes([0, 0, 0, 0, 0, 0, 0, 7, 1, 1]))

principals = some.binary(max_size=29).map(Principal)
amounts = some.integers(0, 2**130)
versions = some.integers(0, 2**64 - 1)
visibilities = some.one_of(
    some.just(Controllers()),
    some.just(Public()),
    some.lists(principals, max_size=3).map(lambda viewers: AllowedViewers(List(tuple(viewers)))),
)
texts = some.text(some.characters(exclude_categories=["Cs"]), max_size=5)
setting_values = {
    "controllers": some.lists(principals, max_size=3).map(lambda all_of: List(tuple(all_of))),
    "compute_allocation": amounts,
    "memory_allocation": amounts,
    "freezing_threshold": amounts,
    "reserved_cycles_limit": amounts,
    "minimum_incoming_canister_call_cycles": amounts,
    "log_visibility": visibilities,
    "snapshot_visibility": visibilities,
    "status_visibility": visibilities,
    "wasm_memory_limit": amounts,
    "wasm_memory_threshold": amounts,
    "environment_variables": some.lists(some.builds(EnvironmentVariable, texts, texts), max_size=2).map(
        lambda all_of: List(tuple(all_of))
    ),
}
settings = some.fixed_dictionaries({}, optional=setting_values).map(lambda chosen: SettingsArguments(**chosen))
definite_settings = some.builds(DefiniteSettings, **setting_values)
modes = some.one_of(
    some.just(InstallMode()),
    some.just(ReinstallMode()),
    some.builds(UpgradeMode, some.booleans(), some.none() | some.sampled_from(WasmMemoryPersistence)),
)
no_or_a_version = some.none() | versions
METHODS_WITH_A_CANISTER_ID = ["canister_status", "start_canister", "stop_canister", "delete_canister", "deposit_cycles"]
calls = some.one_of(
    some.tuples(some.just("create_canister"), some.builds(CreateCanisterArguments, settings, no_or_a_version)),
    some.tuples(
        some.just("provisional_create_canister_with_cycles"),
        some.builds(
            ProvisionalCreateArguments, some.none() | amounts, settings, some.none() | principals, no_or_a_version
        ),
    ),
    some.tuples(some.just("provisional_top_up_canister"), some.builds(ProvisionalTopUpArguments, principals, amounts)),
    some.tuples(
        some.just("update_settings"), some.builds(UpdateSettingsArguments, principals, settings, no_or_a_version)
    ),
    some.tuples(
        some.just("install_code"),
        some.builds(
            InstallCodeArguments, modes, principals, some.binary(max_size=9), some.binary(max_size=9), no_or_a_version
        ),
    ),
    some.tuples(some.just("uninstall_code"), some.builds(UninstallCodeArguments, principals, no_or_a_version)),
    some.tuples(some.sampled_from(METHODS_WITH_A_CANISTER_ID), some.builds(CanisterIdArguments, principals)),
    some.tuples(some.just("raw_rand"), some.just(RawRandArguments())),
)


@given(calls)
def test_arguments_survive_encoding_and_decoding(call):
    method_name, arguments = call
    assert decode_arguments(method_name, encode_arguments(arguments)) == arguments


@given(some.sampled_from(sorted(MANAGEMENT_METHODS)), some.binary(max_size=40).map(lambda tail: b"DIDL" + tail))
def test_any_bytes_either_decode_or_give_none(method_name, argument):
    decode_arguments(method_name, argument)


def test_the_methods_of_this_list_are_known():
    names = {
        "create_canister",
        "provisional_create_canister_with_cycles",
        "provisional_top_up_canister",
        "update_settings",
        "install_code",
        "uninstall_code",
        "raw_rand",
        *METHODS_WITH_A_CANISTER_ID,
    }
    assert names <= MANAGEMENT_METHODS


def test_an_unknown_method_has_no_arguments():
    assert decode_arguments("make_coffee", encode_arguments(CanisterIdArguments(CANISTER))) is None


def test_an_argument_of_another_type_is_undecodable():
    assert decode_arguments("install_code", encode_arguments(CanisterIdArguments(CANISTER))) is None
    assert decode_arguments("canister_status", encode((Primitive.TEXT,), ("hello",))) is None
    assert decode_arguments("canister_status", b"") is None
    assert decode_arguments("raw_rand", b"DIDL") is None


def test_an_argument_with_more_fields_is_decodable():
    richer = encode(
        (Record({"canister_id": Primitive.PRINCIPAL, "reason": Primitive.TEXT}),),
        ({"canister_id": CANISTER, "reason": "why not"},),
    )
    assert decode_arguments("stop_canister", richer) == CanisterIdArguments(CANISTER)


def test_settings_may_be_absent_in_create_canister():
    assert decode_arguments("create_canister", encode((Record({}),), ({},))) == CreateCanisterArguments()


def test_an_amount_of_the_wrong_type_counts_as_absent():
    wrong = encode((Record({"amount": Opt(Primitive.TEXT)}),), ({"amount": None},))
    assert decode_arguments("provisional_create_canister_with_cycles", wrong) == ProvisionalCreateArguments()


def test_upgrade_options_that_say_nothing_equal_absent_options():
    options = Record({"skip_pre_upgrade": Opt(Primitive.BOOL)})
    argument = encode(
        (
            Record(
                {
                    "mode": Variant({"upgrade": Opt(options)}),
                    "canister_id": Primitive.PRINCIPAL,
                    "wasm_module": BLOB,
                    "arg": BLOB,
                }
            ),
        ),
        (
            {
                "mode": Case("upgrade", Some({"skip_pre_upgrade": None})),
                "canister_id": CANISTER,
                "wasm_module": b"wasm",
                "arg": b"",
            },
        ),
    )
    assert decode_arguments("install_code", argument) == InstallCodeArguments(UpgradeMode(), CANISTER, b"wasm")


@given(
    some.builds(
        CanisterStatusResult,
        status=some.sampled_from(SimpleStatus),
        ready_for_migration=some.booleans(),
        version=versions,
        settings=definite_settings,
        module_hash=some.none() | some.binary(min_size=32, max_size=32),
        memory_size=amounts,
        memory_metrics=some.builds(MemoryMetrics, *[amounts] * 8),
        cycles=amounts,
        reserved_cycles=amounts,
        idle_cycles_burned_per_day=amounts,
        query_stats=some.builds(QueryStatistics, *[amounts] * 4),
    )
)
def test_a_status_survives_encoding_and_decoding(result):
    assert decode_canister_status(encode_canister_status(result)) == result


@given(principals)
def test_a_canister_id_survives_encoding_and_decoding(canister_id):
    assert decode_canister_id_result(encode_canister_id_result(canister_id)) == canister_id


@given(some.binary(max_size=40))
def test_a_blob_survives_encoding_and_decoding(blob):
    assert decode_blob_result(encode_blob_result(blob)) == blob


def test_the_empty_result_is_the_empty_tuple():
    assert EMPTY_RESULT == b"DIDL\0\0"
    assert decode((), EMPTY_RESULT) == ()


def test_a_result_of_another_type_is_refused():
    with pytest.raises(ValueError, match="not the expected result"):
        decode_canister_id_result(encode_blob_result(b"x"))
