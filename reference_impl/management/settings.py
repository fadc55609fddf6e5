"""Settings of canisters: which are allowed, and what changing them costs."""

from attrs import evolve, fields

from spec.profile import Profile
from spec.state.canister import AllowedViewers, Controllers, Settings, Visibility
from spec.values.canister_terms import EnvironmentVariable
from spec.values.containers import List
from spec.values.identifiers import Blob, Principal
from spec.values.management import DefiniteSettings, SettingsArguments
from spec.values.quantities import MAXIMUM_CYCLES
from spec.values.request_id import hash_of_map

MAXIMUM_COMPUTE_ALLOCATION = 100
MAXIMUM_MEMORY_ALLOCATION = 2**48
"""Production's bound; the interface specification admits any 64-bit number here. Source: facts on limits."""
MAXIMUM_SECONDS = 2**64 - 1
MAXIMUM_WASM_MEMORY = 2**48
MAXIMUM_VIEWERS = 10


def default_settings(profile: Profile, creator: Principal) -> Settings:
    """What a canister has where its creator says nothing."""
    return Settings(
        controllers=List.of(creator),
        compute_allocation=0,
        memory_allocation=0,
        freezing_threshold=profile.defaults.freezing_threshold,
        reserved_balance_limit=profile.defaults.reserved_cycles_limit,
        minimum_incoming_canister_call_cycles=0,
        wasm_memory_limit=profile.defaults.wasm_memory_limit,
        wasm_memory_threshold=0,
        environment_variables=List[EnvironmentVariable](),
        log_visibility=Controllers(),
        snapshot_visibility=Controllers(),
        status_visibility=Controllers(),
    )


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


def are_allowed(profile: Profile, given: SettingsArguments) -> bool:
    """Each setting given is inside its range."""
    return (
        (given.controllers is None or len(given.controllers) <= profile.limits.controllers)
        and _at_most(given.compute_allocation, MAXIMUM_COMPUTE_ALLOCATION)
        and _at_most(given.memory_allocation, MAXIMUM_MEMORY_ALLOCATION)
        and _at_most(given.freezing_threshold, MAXIMUM_SECONDS)
        and _at_most(given.reserved_cycles_limit, MAXIMUM_CYCLES)
        and _at_most(given.minimum_incoming_canister_call_cycles, MAXIMUM_CYCLES)
        and _at_most(given.wasm_memory_limit, MAXIMUM_WASM_MEMORY)
        and _at_most(given.wasm_memory_threshold, MAXIMUM_WASM_MEMORY)
        and _few_viewers(given.log_visibility)
        and _few_viewers(given.snapshot_visibility)
        and _few_viewers(given.status_visibility)
        and _variables_allowed(profile, given.environment_variables)
    )


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


def definite(settings: Settings) -> DefiniteSettings:
    """The settings as the management canister tells them."""
    return DefiniteSettings(
        controllers=settings.controllers,
        compute_allocation=settings.compute_allocation,
        memory_allocation=settings.memory_allocation,
        freezing_threshold=settings.freezing_threshold,
        reserved_cycles_limit=settings.reserved_balance_limit,
        minimum_incoming_canister_call_cycles=settings.minimum_incoming_canister_call_cycles,
        log_visibility=settings.log_visibility,
        snapshot_visibility=settings.snapshot_visibility,
        status_visibility=settings.status_visibility,
        wasm_memory_limit=settings.wasm_memory_limit,
        wasm_memory_threshold=settings.wasm_memory_threshold,
        environment_variables=settings.environment_variables,
    )
