"""Canister settings: defaults, changes, limits."""

from attrs import evolve

from spec.canister.environment import EnvironmentVariable
from spec.profile import Profile
from spec.rules.conditions import existing_canister
from spec.rules.management.arguments import change_origin, decoded, management_call, replied, require_controller
from spec.rules.messages.low_memory_hook import with_hook_status
from spec.rules.resources import cycles_to_reserve, liquid_balance
from spec.state.canister import AllowedViewers, Canister, Code, Settings, Visibility
from spec.state.history import Change, ChangeOrigin, ControllersChange, recorded
from spec.state.state import State
from spec.transition import Step, opaque, require, transition
from spec.values import management
from spec.values.canister_terms import (
    MAXIMUM_COMPUTE_ALLOCATION,
    MAXIMUM_FREEZING_THRESHOLD,
    MAXIMUM_MEMORY_SETTING,
    MAXIMUM_VIEWERS,
)
from spec.values.checklist import defines
from spec.values.containers import List
from spec.values.identifiers import Blob, MessageId, Principal
from spec.values.quantities import MAXIMUM_CYCLES, ByteCount
from spec.values.rejects import RejectCode, RejectReason
from spec.values.request_id import hash_of_map


@opaque
def update_settings_arguments(argument: Blob) -> management.UpdateSettingsArguments | None:
    """The argument of `update_settings`."""
    arguments = management.decode_arguments("update_settings", argument)
    return arguments if isinstance(arguments, management.UpdateSettingsArguments) else None


@opaque
@defines(
    "setting.controllers",
    "setting.compute-allocation",
    "setting.memory-allocation",
    "setting.freezing-threshold",
    "setting.reserved-cycles-limit",
    "setting.minimum-incoming-canister-call-cycles",
    "setting.wasm-memory-limit",
    "setting.wasm-memory-threshold",
    "setting.log-visibility",
    "setting.snapshot-visibility",
    "setting.status-visibility",
    "setting.environment-variables",
)
def default_settings(profile: Profile, creator: Principal) -> Settings:
    """What a new canister has. Source: abstract-behavior, canister creation; profile for what it leaves open."""
    return Settings.of_creator(creator, profile.defaults)


@opaque
def changed_settings(current: Settings, given: management.SettingsArguments) -> Settings:
    """The settings after the given ones replaced the current ones."""
    changes: dict[str, object] = {}
    if given.controllers is not None:
        changes["controllers"] = List(tuple(sorted(set(given.controllers))))
    if given.environment_variables is not None:
        variables = sorted(given.environment_variables, key=lambda variable: variable.name)
        changes["environment_variables"] = List(tuple(variables))
    if given.reserved_cycles_limit is not None:
        changes["reserved_balance_limit"] = given.reserved_cycles_limit
    for name in (
        "compute_allocation",
        "memory_allocation",
        "freezing_threshold",
        "minimum_incoming_canister_call_cycles",
        "wasm_memory_limit",
        "wasm_memory_threshold",
        "log_visibility",
        "snapshot_visibility",
        "status_visibility",
    ):
        value = getattr(given, name)
        if value is not None:
            changes[name] = value
    return evolve(current, **changes)  # type: ignore[arg-type]


@opaque
@defines(
    "error.invalid-settings",
    "inv.controllers-bounded",
    "inv.env-vars-bounded",
    "setting.controllers",
    "setting.compute-allocation",
    "setting.memory-allocation",
    "setting.freezing-threshold",
    "setting.reserved-cycles-limit",
    "setting.minimum-incoming-canister-call-cycles",
    "setting.wasm-memory-limit",
    "setting.wasm-memory-threshold",
    "setting.log-visibility",
    "setting.snapshot-visibility",
    "setting.status-visibility",
    "setting.environment-variables",
)
def settings_are_allowed(profile: Profile, settings: Settings, given: management.SettingsArguments) -> bool:
    """The settings keep within the limits. Source: management-canister, settings; facts on limits."""
    return (
        has_short_lists(profile, settings, given)
        and has_numbers_in_range(settings)
        and has_allowed_variables(profile, settings, given)
    )


def has_short_lists(profile: Profile, settings: Settings, given: management.SettingsArguments) -> bool:
    """The lists of principals are not too long."""
    return (
        (given.controllers is None or len(given.controllers) <= profile.limits.controllers)
        and has_few_viewers(settings.log_visibility)
        and has_few_viewers(settings.snapshot_visibility)
        and has_few_viewers(settings.status_visibility)
    )


def has_numbers_in_range(settings: Settings) -> bool:
    """No number is too large."""
    return (
        settings.compute_allocation <= MAXIMUM_COMPUTE_ALLOCATION
        and settings.memory_allocation <= MAXIMUM_MEMORY_SETTING
        and settings.freezing_threshold <= MAXIMUM_FREEZING_THRESHOLD
        and settings.reserved_balance_limit <= MAXIMUM_CYCLES
        and settings.wasm_memory_limit <= MAXIMUM_MEMORY_SETTING
        and settings.wasm_memory_threshold <= MAXIMUM_MEMORY_SETTING
        and settings.minimum_incoming_canister_call_cycles <= MAXIMUM_CYCLES
    )


@opaque
def has_allowed_variables(profile: Profile, settings: Settings, given: management.SettingsArguments) -> bool:
    """The environment variables are not too many and not too long, and their names differ."""
    limits = profile.limits
    names = [variable.name for variable in given.environment_variables or ()]
    return len(names) == len(set(names)) <= limits.environment_variables and settings.environment_variables.every(
        lambda variable: (
            len(variable.name.encode()) <= limits.environment_variable_name
            and len(variable.value.encode()) <= limits.environment_variable_value
        )
    )


@opaque
def code_of_bad_settings(profile: Profile, settings: Settings, given: management.SettingsArguments) -> RejectCode:
    """
    The code with which production rejects such settings.

    It takes an argument with a long list, or with bad variables, for one that does not decode; a number that is too
    large is looked for after the lists of principals and before the variables.
    """
    numbers_come_first = has_short_lists(profile, settings, given) and not has_numbers_in_range(settings)
    return RejectCode.CANISTER_ERROR if numbers_come_first else RejectCode.CANISTER_REJECT


def has_few_viewers(visibility: Visibility) -> bool:
    """The list of viewers is not too long."""
    return not isinstance(visibility, AllowedViewers) or len(visibility.viewers) <= MAXIMUM_VIEWERS


@opaque
def heap_size(canister: Canister) -> ByteCount:
    """The size of the heap; nothing for an empty canister."""
    return canister.code.wasm_state.wasm_memory.size if isinstance(canister.code, Code) else 0


@opaque
def environment_variables_hash(variables: List[EnvironmentVariable]) -> Blob:
    """The representation-independent hash of environment variables, for the canister history."""
    return hash_of_map({variable.name: variable.value for variable in variables})


@transition(title="Changing settings", source="abstract-behavior#ic-management-canister-changing-settings")
@defines("error.reserved-limit-too-low", "seed2.settings")
def update_settings(state: State, *, message_id: MessageId) -> Step:
    """A controller changes some settings of a canister."""
    # CONDITIONS
    call = management_call(state, message_id, "update_settings")
    arguments = decoded(update_settings_arguments(call.argument))
    canister = existing_canister(state, arguments.canister_id)
    require_controller(call, canister)
    settings = changed_settings(canister.settings, arguments.settings)
    require(
        settings_are_allowed(state.profile, settings, arguments.settings),
        "the settings keep within the limits",
        RejectReason.INVALID_SETTINGS,
        code_of_bad_settings(state.profile, settings, arguments.settings),
    )
    require(
        settings.wasm_memory_limit == 0 or heap_size(canister) <= settings.wasm_memory_limit,
        "the heap keeps within its new limit",
        RejectReason.INVALID_SETTINGS,
    )
    changed = with_recorded_controllers(
        evolve(canister, settings=settings, version=canister.version + 1),
        change_origin(call, arguments.sender_canister_version),
        arguments.settings,
    )
    reserved = cycles_to_reserve(state, arguments.canister_id, changed)
    after = evolve(
        changed,
        balance=canister.balance - reserved,
        reserved_balance=canister.reserved_balance + reserved,
    )
    require_affordable(state.profile, after, must_stay_liquid=takes_more(canister.settings, settings) or reserved > 0)

    # STATE AFTER
    return Step(
        evolve(
            replied(state, message_id, call),
            canisters=state.canisters.set(arguments.canister_id, with_hook_status(state.profile, after)),
        )
    )


def takes_more(before: Settings, after: Settings) -> bool:
    """The new settings allocate more."""
    return after.compute_allocation > before.compute_allocation or after.memory_allocation > before.memory_allocation


@defines(
    "error.reserved-limit-memory-allocation",
    "error.insufficient-cycles-compute-allocation",
    "error.insufficient-cycles-memory-allocation",
    "inv.cycles.reserved-limit",
)
def require_affordable(profile: Profile, after: Canister, *, must_stay_liquid: bool) -> None:
    """States that a canister can pay for what it now reserves and allocates."""
    require(after.balance >= 0, "the balance covers what is reserved", RejectReason.CANISTER_OUT_OF_CYCLES)
    require(
        after.reserved_balance <= after.settings.reserved_balance_limit,
        "the limit of reserved cycles is kept",
        RejectReason.RESERVATION_LIMIT_EXCEEDED,
    )
    require(
        not must_stay_liquid or liquid_balance(profile, after) >= 0,
        "the canister is not frozen afterwards",
        RejectReason.CANISTER_OUT_OF_CYCLES,
    )


def with_recorded_controllers(
    canister: Canister, origin: ChangeOrigin, given: management.SettingsArguments
) -> Canister:
    """The canister whose history tells of its new controllers, if they were given."""
    if given.controllers is None:
        return canister
    change = Change(canister.time, canister.version, origin, ControllersChange(canister.settings.controllers))
    return evolve(canister, history=recorded(canister.history, change))
