"""What code asks wherever it runs, with a slot for what each function tells, and how that is looked at."""

from collections.abc import Iterable

from conformance.canisters import ic0
from conformance.canisters.expressions import Action, Bytes
from conformance.canisters.library import load
from conformance.canisters.scripted import (
    NOTHING,
    bytes_of_u32,
    bytes_of_u64,
    concat,
    program,
    reply,
    sequence,
    set_slot,
    slot,
)
from conformance.judging.patterns import replies
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.management_calls import DONE
from conformance.suite.stage import Stage
from spec.system_api.context import Context
from spec.system_api.table import IMPORTS
from spec.values import management
from spec.values.canister_terms import EnvironmentVariable
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, Text

PLAIN = load("scripted")
COVERS = ("entry.mode-matrix", "api-general.contexts")

VERSION = bytes_of_u64(ic0.canister_version())

ASKED: dict[Text, tuple[Text, Bytes]] = {
    "msg_arg_data": ("msg_arg_data_size", ic0.msg_arg_data()),
    "msg_caller": ("msg_caller_size", ic0.msg_caller()),
    "msg_caller_info_data": ("msg_caller_info_data_size", ic0.msg_caller_info_data()),
    "msg_caller_info_signer": ("msg_caller_info_signer_size", ic0.msg_caller_info_signer()),
    "msg_reject_code": ("msg_reject_code", bytes_of_u32(ic0.msg_reject_code())),
    "msg_reject_msg": ("msg_reject_msg_size", ic0.msg_reject_msg()),
    "msg_deadline": ("msg_deadline", bytes_of_u64(ic0.msg_deadline())),
    "msg_method_name": ("msg_method_name_size", ic0.msg_method_name()),
    "msg_cycles_available128": ("msg_cycles_available128", ic0.msg_cycles_available128()),
    "msg_cycles_available": ("msg_cycles_available", bytes_of_u64(ic0.msg_cycles_available())),
    "msg_cycles_refunded128": ("msg_cycles_refunded128", ic0.msg_cycles_refunded128()),
    "msg_cycles_refunded": ("msg_cycles_refunded", bytes_of_u64(ic0.msg_cycles_refunded())),
    "canister_cycle_balance": ("canister_cycle_balance", bytes_of_u64(ic0.canister_cycle_balance())),
    "canister_cycle_balance128": ("canister_cycle_balance128", ic0.canister_cycle_balance128()),
    "canister_liquid_cycle_balance128": ("canister_liquid_cycle_balance128", ic0.canister_liquid_cycle_balance128()),
    "canister_self": ("canister_self_size", ic0.canister_self()),
    "canister_status": ("canister_status", bytes_of_u32(ic0.canister_status())),
    "canister_version": ("canister_version", VERSION),
    "subnet_self": ("subnet_self_size", ic0.subnet_self()),
    "root_key": ("root_key_size", ic0.root_key()),
    "is_controller": ("is_controller", bytes_of_u32(ic0.is_controller(ic0.canister_self()))),
    "in_replicated_execution": ("in_replicated_execution", bytes_of_u32(ic0.in_replicated_execution())),
    "time": ("time", bytes_of_u64(ic0.time())),
    "data_certificate_present": ("data_certificate_present", bytes_of_u32(ic0.data_certificate_present())),
    "env_var_count": ("env_var_count", bytes_of_u32(ic0.env_var_count())),
    "env_var_name": ("env_var_name_size", ic0.env_var_name(0)),
    "env_var_name_exists": ("env_var_name_exists", bytes_of_u32(ic0.env_var_name_exists(b"colour"))),
    "env_var_value": ("env_var_value_size", ic0.env_var_value(b"colour")),
    "performance_counter(0)": ("performance_counter", bytes_of_u64(ic0.performance_counter(0))),
    "performance_counter(1)": ("performance_counter", bytes_of_u64(ic0.performance_counter(1))),
    "stable64_size": ("stable64_size", bytes_of_u64(ic0.stable64_size())),
    "stable_size": ("stable_size", bytes_of_u32(ic0.stable_size())),
    "cost_call": ("cost_call", ic0.cost_call(7, 100)),
    "cost_create_canister": ("cost_create_canister", ic0.cost_create_canister()),
    "cost_http_request": ("cost_http_request", ic0.cost_http_request(100, 1_000)),
    "cost_sign_with_ecdsa": ("cost_sign_with_ecdsa", ic0.cost_sign_with_ecdsa(b"key_1", 0)),
    "cost_sign_with_schnorr": ("cost_sign_with_schnorr", ic0.cost_sign_with_schnorr(b"key_1", 0)),
    "cost_vetkd_derive_key": ("cost_vetkd_derive_key", ic0.cost_vetkd_derive_key(b"key_1", 0)),
}
"""What is asked: the function of the table that says where that is possible, and the expression."""

NAMES = tuple(ASKED)
GONE_ON = len(NAMES)
"""A slot for what is noted after a function was asked."""


def possible(context: Context) -> list[Text]:
    """What can be asked there."""
    return [name for name, (function, _) in ASKED.items() if context in IMPORTS[function].contexts]


def impossible(context: Context) -> list[Text]:
    """What traps there."""
    return [name for name in ASKED if name not in possible(context)]


def noting(names: Iterable[Text]) -> Action:
    """Stores what each function tells."""
    return sequence(*(set_slot(NAMES.index(name), ASKED[name][1]) for name in names))


def told_together(context: Context) -> Bytes:
    """What all functions tell, one after another, but for the version."""
    return concat(*(ASKED[name][1] for name in possible(context) if name != "canister_version"))


def look(stage: Stage, canister: CanisterId, place: Text, names: Iterable[Text]) -> None:
    """Each slot is shown by a query."""
    with cell(f"the version after {place}"):
        stage.expect(stage.query(canister, program(reply(VERSION))), replies())
    for name in names:
        with cell(f"{name} in {place}"):
            stage.expect(stage.query(canister, program(reply(slot(NAMES.index(name))))), replies())


def asker(stage: Stage, module: Blob = PLAIN, more: Action = NOTHING) -> CanisterId:
    """A canister with environment variables and certified data, which has done something more while installed."""
    variables = List.of(EnvironmentVariable("colour", "blue"), EnvironmentVariable("size", "large"))
    canister = stage.create(settings=management.SettingsArguments(environment_variables=variables))
    stage.expect(stage.install(canister, module, program(ic0.certified_data_set(b"certified"), more)), DONE)
    stage.settle(seconds=7)  # It is not told the time at which it was made or installed.
    return canister
