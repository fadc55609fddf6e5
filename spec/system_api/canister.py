"""The canister itself and the system around it. Source: canister-interface."""

from spec.canister.environment import EnvironmentVariable
from spec.system_api.context import REPLICATED
from spec.system_api.execution_state import Execution
from spec.values.checklist import defines
from spec.values.identifiers import MAXIMUM_PRINCIPAL_LENGTH, Blob, Principal, Text
from spec.values.quantities import Nanoseconds
from spec.wasm.traps import Trap

# Identity.


def canister_self_size(execution: Execution) -> int:
    return len(execution.self_id)


def canister_self_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    execution.copy_to_heap(destination, offset, size, execution.self_id)


def subnet_self_size(execution: Execution) -> int:
    return len(execution.environment.subnet_id)


def subnet_self_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    execution.copy_to_heap(destination, offset, size, execution.environment.subnet_id)


def root_key_size(execution: Execution) -> int:
    return len(execution.environment.root_key)


@defines("unspec.fn.root-key-import")
def root_key_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    execution.copy_to_heap(destination, offset, size, execution.environment.root_key)


# Status.


def canister_status(execution: Execution) -> int:
    """1 running, 2 stopping, 3 stopped."""
    return execution.environment.status.value


def canister_version(execution: Execution) -> int:
    return execution.environment.canister_version


def is_controller(execution: Execution, source: int, size: int) -> int:
    if size > MAXIMUM_PRINCIPAL_LENGTH:
        raise Trap(f"{size} bytes are not a principal")
    return int(execution.environment.controllers.contains(Principal(execution.read_heap(source, size))))


def in_replicated_execution(execution: Execution) -> int:
    return int(execution.context in REPLICATED)


# Time.


def time(execution: Execution) -> Nanoseconds:
    return execution.environment.time


def global_timer_set(execution: Execution, timestamp: int) -> Nanoseconds:
    """The timer as it was before, zero if it was off."""
    before = execution.new_global_timer
    execution.new_global_timer = timestamp
    return execution.environment.global_timer if before is None else before


@defines("unspec.fn.performance-counter")
def performance_counter(execution: Execution, counter_type: int) -> int:
    """Counter 0: the instructions of this execution; counter 1: those of earlier executions of its call context too."""
    own = execution.limit - execution.running.counter
    match counter_type:
        case 0:
            return own
        case 1:
            return own + execution.environment.call_context_instructions
        case _:
            raise Trap(f"there is no performance counter {counter_type}")


# Certified data.


@defines("error.certified-data-too-large")
def certified_data_set(execution: Execution, source: int, size: int) -> None:
    if size > execution.environment.profile.limits.certified_data:
        raise Trap("the certified data is too long")
    execution.new_certified_data = execution.read_heap(source, size)


def data_certificate_present(execution: Execution) -> int:
    return int(execution.environment.certificate is not None)


def data_certificate_size(execution: Execution) -> int:
    return len(_certificate(execution))


def data_certificate_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    execution.copy_to_heap(destination, offset, size, _certificate(execution))


def _certificate(execution: Execution) -> Blob:
    certificate = execution.environment.certificate
    if certificate is None:
        raise Trap("there is no certificate")
    return certificate


# Environment variables, in lexicographic order of their names.


def env_var_count(execution: Execution) -> int:
    return len(execution.environment.environment_variables)


def env_var_name_size(execution: Execution, index: int) -> int:
    return len(_name_at(execution, index))


def env_var_name_copy(execution: Execution, index: int, destination: int, offset: int, size: int) -> None:
    execution.copy_to_heap(destination, offset, size, _name_at(execution, index))


def env_var_name_exists(execution: Execution, name_source: int, name_size: int) -> int:
    return int(_variable_named(execution, _read_name(execution, name_source, name_size)) is not None)


def env_var_value_size(execution: Execution, name_source: int, name_size: int) -> int:
    return len(_value_of(execution, name_source, name_size))


def env_var_value_copy(
    execution: Execution, name_source: int, name_size: int, destination: int, offset: int, size: int
) -> None:
    execution.copy_to_heap(destination, offset, size, _value_of(execution, name_source, name_size))


def _name_at(execution: Execution, index: int) -> Blob:
    names = sorted(variable.name.encode() for variable in execution.environment.environment_variables)
    if index >= len(names):
        raise Trap(f"there is no environment variable {index}")
    return names[index]


def _read_name(execution: Execution, source: int, size: int) -> Text:
    if size > execution.environment.profile.limits.environment_variable_name_in_system_api:
        raise Trap("the name is longer than the name of an environment variable may be")
    try:
        return execution.read_heap(source, size).decode()
    except UnicodeDecodeError:
        raise Trap("the name of the environment variable is not UTF-8") from None


def _variable_named(execution: Execution, name: Text) -> EnvironmentVariable | None:
    return next((variable for variable in execution.environment.environment_variables if variable.name == name), None)


def _value_of(execution: Execution, name_source: int, name_size: int) -> Blob:
    name = _read_name(execution, name_source, name_size)
    variable = _variable_named(execution, name)
    if variable is None:
        raise Trap(f"there is no environment variable {name!r}")
    return variable.value.encode()
