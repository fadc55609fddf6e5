"""Between the records of this package and the shapes of Candid values."""

from collections.abc import Callable
from typing import Any, Final

from attrs import asdict, fields

from spec.values.candid import CandidValue, Case, Some
from spec.values.canister_terms import (
    AllowedViewers,
    Controllers,
    EnvironmentVariable,
    Public,
    Visibility,
    WasmMemoryPersistence,
)
from spec.values.containers import List
from spec.values.management.records import (
    CanisterInstallMode,
    DefiniteSettings,
    InstallMode,
    ReinstallMode,
    SettingsArguments,
    UpgradeMode,
)


def optional(option: Some | None) -> Any:
    """What an option holds, or None."""
    return None if option is None else option.value


def option(value: Any) -> Some | None:
    """The option that holds a value; None gives the empty one."""
    return None if value is None else Some(value)


def visibility(value: Case) -> Visibility:
    """Reads a visibility."""
    match value.label:
        case "controllers":
            return Controllers()
        case "public":
            return Public()
        case _:
            return AllowedViewers(List(value.value))


def visibility_value(visible_to: Visibility) -> Case:
    """Writes a visibility."""
    match visible_to:
        case Controllers():
            return Case("controllers")
        case Public():
            return Case("public")
        case AllowedViewers():
            return Case("allowed_viewers", visible_to.viewers.items)


def _environment_variables(values: tuple[dict[str, str], ...]) -> List[EnvironmentVariable]:
    return List(tuple(EnvironmentVariable(value["name"], value["value"]) for value in values))


def _environment_variable_values(variables: List[EnvironmentVariable]) -> tuple[dict[str, str], ...]:
    return tuple({"name": variable.name, "value": variable.value} for variable in variables)


Conversion = Callable[[Any], Any]

_SETTING_READERS: Final[dict[str, Conversion]] = {
    "controllers": List,
    "log_visibility": visibility,
    "snapshot_visibility": visibility,
    "status_visibility": visibility,
    "environment_variables": _environment_variables,
}
"""How the settings are read that are not plain numbers."""

_SETTING_WRITERS: Final[dict[str, Conversion]] = {
    "controllers": lambda controllers: controllers.items,
    "log_visibility": visibility_value,
    "snapshot_visibility": visibility_value,
    "status_visibility": visibility_value,
    "environment_variables": _environment_variable_values,
}


def _unchanged(value: Any) -> Any:
    return value


def settings(value: dict[str, CandidValue]) -> SettingsArguments:
    """Reads settings to change."""
    present = {name: given.value for name, given in value.items() if given is not None}
    return SettingsArguments(**{name: _SETTING_READERS.get(name, _unchanged)(one) for name, one in present.items()})


def settings_value(arguments: SettingsArguments) -> dict[str, CandidValue]:
    """Writes settings to change."""
    given = {one.name: getattr(arguments, one.name) for one in fields(SettingsArguments)}
    return {
        name: None if one is None else Some(_SETTING_WRITERS.get(name, _unchanged)(one)) for name, one in given.items()
    }


def definite_settings(value: dict[str, CandidValue]) -> DefiniteSettings:
    """Reads settings as they are."""
    return DefiniteSettings(**{name: _SETTING_READERS.get(name, _unchanged)(one) for name, one in value.items()})


def definite_settings_value(arguments: DefiniteSettings) -> dict[str, CandidValue]:
    """Writes settings as they are."""
    plain = asdict(arguments, recurse=False)
    return {name: _SETTING_WRITERS.get(name, _unchanged)(one) for name, one in plain.items()}


def install_mode(value: Case) -> CanisterInstallMode:
    """Reads the mode of an installation."""
    match value.label:
        case "install":
            return InstallMode()
        case "reinstall":
            return ReinstallMode()
        case _:
            return _upgrade_mode(optional(value.value))


def _upgrade_mode(options: dict[str, CandidValue] | None) -> UpgradeMode:
    if options is None:
        return UpgradeMode()
    persistence = optional(options["wasm_memory_persistence"])
    return UpgradeMode(
        skip_pre_upgrade=bool(optional(options["skip_pre_upgrade"])),
        wasm_memory_persistence=None if persistence is None else WasmMemoryPersistence(persistence.label),
    )


def install_mode_value(mode: CanisterInstallMode) -> Case:
    """Writes the mode of an installation."""
    match mode:
        case InstallMode():
            return Case("install")
        case ReinstallMode():
            return Case("reinstall")
        case UpgradeMode() if mode == UpgradeMode():
            return Case("upgrade")
        case UpgradeMode():
            persistence = mode.wasm_memory_persistence
            options = {
                "skip_pre_upgrade": Some(mode.skip_pre_upgrade),
                "wasm_memory_persistence": None if persistence is None else Some(Case(persistence.value)),
            }
            return Case("upgrade", Some(options))
