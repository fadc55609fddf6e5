"""Settings of canisters: which are allowed, and what they are after a change."""

from attrs import evolve, fields

from spec.profile import Profile
from spec.state.canister import AllowedViewers, Settings, Visibility
from spec.values.canister_terms import (
    MAXIMUM_COMPUTE_ALLOCATION,
    MAXIMUM_FREEZING_THRESHOLD,
    MAXIMUM_MEMORY_SETTING,
    MAXIMUM_VIEWERS,
    EnvironmentVariable,
)
from spec.values.containers import List
from spec.values.identifiers import Blob
from spec.values.management import SettingsArguments
from spec.values.quantities import MAXIMUM_CYCLES
from spec.values.rejects import RejectCode
from spec.values.request_id import hash_of_map


def _at_most(given: int | None, maximum: int) -> bool:
    return given is None or given <= maximum


def _few_viewers(visibility: Visibility | None) -> bool:
    return not isinstance(visibility, AllowedViewers) or len(visibility.viewers) <= MAXIMUM_VIEWERS


def _variables_allowed(profile: Profile, variables: List[EnvironmentVariable] | None) -> bool:
    if variables is None:
        return True
    limits = profile.limits
    return (
        len(variables) <= limits.environment_variables
        and len({variable.name for variable in variables}) == len(variables)
        and all(len(one.name.encode()) <= limits.environment_variable_name for one in variables)
        and all(len(one.value.encode()) <= limits.environment_variable_value for one in variables)
    )


def _lists_short(profile: Profile, given: SettingsArguments) -> bool:
    return (
        (given.controllers is None or len(given.controllers) <= profile.limits.controllers)
        and _few_viewers(given.log_visibility)
        and _few_viewers(given.snapshot_visibility)
        and _few_viewers(given.status_visibility)
    )


def _numbers_in_range(given: SettingsArguments) -> bool:
    return (
        _at_most(given.compute_allocation, MAXIMUM_COMPUTE_ALLOCATION)
        and _at_most(given.memory_allocation, MAXIMUM_MEMORY_SETTING)
        and _at_most(given.freezing_threshold, MAXIMUM_FREEZING_THRESHOLD)
        and _at_most(given.reserved_cycles_limit, MAXIMUM_CYCLES)
        and _at_most(given.minimum_incoming_canister_call_cycles, MAXIMUM_CYCLES)
        and _at_most(given.wasm_memory_limit, MAXIMUM_MEMORY_SETTING)
        and _at_most(given.wasm_memory_threshold, MAXIMUM_MEMORY_SETTING)
    )


def code_of_defect(profile: Profile, given: SettingsArguments) -> RejectCode | None:
    """With which code settings that are not allowed are rejected; None if each one given is inside its range."""
    if not _lists_short(profile, given):
        return RejectCode.CANISTER_REJECT  # InvalidManagementPayload, 408
    if not _numbers_in_range(given):
        return RejectCode.CANISTER_ERROR  # CanisterContractViolation, 504
    if not _variables_allowed(profile, given.environment_variables):
        return RejectCode.CANISTER_REJECT  # InvalidManagementPayload, 408
    return None


def changed(settings: Settings, given: SettingsArguments) -> Settings:
    """The settings with those given in place of the old ones."""
    names = {"reserved_cycles_limit": "reserved_balance_limit"}
    changes = {
        names.get(attribute.name, attribute.name): getattr(given, attribute.name)
        for attribute in fields(SettingsArguments)
        if getattr(given, attribute.name) is not None
    }
    if given.controllers is not None:
        changes["controllers"] = List(tuple(sorted(set(given.controllers))))
    if given.environment_variables is not None:
        changes["environment_variables"] = List(tuple(sorted(given.environment_variables, key=lambda one: one.name)))
    return evolve(settings, **changes)


def environment_variables_hash(given: SettingsArguments) -> Blob | None:
    """The hash of the environment variables as a map, if they were given."""
    if given.environment_variables is None:
        return None
    return hash_of_map({variable.name: variable.value for variable in given.environment_variables})
