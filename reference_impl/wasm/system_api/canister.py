"""System API: the canister itself, its subnet, time, certified data, environment variables, and debugging aids."""

from reference_impl.wasm.layout.fast_functions import CERTIFIED_SIZE, HEAP_SIZE, TIMER, TIMER_SET
from reference_impl.wasm.layout.system_functions import ALL_BUT_START, EVERYWHERE, Logging, per_byte, system_function
from reference_impl.wasm.system_api.execution import Ended, Execution
from spec.canister.environment import EnvironmentVariable
from spec.canister.outcome import TrapCause
from spec.values.identifiers import MAXIMUM_PRINCIPAL_LENGTH, Principal

_AGREED = "I G U RQ Ry Rt C T"
OUTSIDE = b"(the bytes to print lie outside of the memory)"
"""What is logged instead of bytes that are not there."""


@system_function("", "P", ALL_BUT_START)
def canister_self_size(execution: Execution) -> int:
    """The length of the canister's id."""
    return len(execution.self_id)


@system_function("PPP", "", ALL_BUT_START, cost=per_byte(2))
def canister_self_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    """Copies a part of the canister's id."""
    execution.copy(destination, offset, size, execution.self_id)


@system_function("", "P", ALL_BUT_START)
def subnet_self_size(execution: Execution) -> int:
    """The length of the subnet's id."""
    return len(execution.environment.subnet_id)


@system_function("PPP", "", ALL_BUT_START, cost=per_byte(2))
def subnet_self_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    """Copies a part of the subnet's id."""
    execution.copy(destination, offset, size, execution.environment.subnet_id)


@system_function("", "i", ALL_BUT_START)
def canister_status(execution: Execution) -> int:
    """1 running, 2 stopping, 3 stopped."""
    return execution.environment.status.value


@system_function("", "l", ALL_BUT_START)
def canister_version(execution: Execution) -> int:
    """The canister's version."""
    return execution.environment.canister_version


@system_function("", "l", ALL_BUT_START)
def time(execution: Execution) -> int:
    """The canister's time in nanoseconds."""
    return execution.environment.time


@system_function("l", "l", "I G U Ry Rt C T")
def global_timer_set(execution: Execution, timestamp: int) -> int:
    """Sets the timer; gives the one set before."""
    cells = execution.cells
    before, cells[TIMER], cells[TIMER_SET] = cells[TIMER], timestamp, 1
    return before


@system_function("i", "l", EVERYWHERE, fixed_cost=200)
def performance_counter(execution: Execution, counter_type: int) -> int:
    """The instructions of this execution (0), or of its call context (1); a trap for any other type."""
    execution.trap_unless(counter_type in (0, 1))
    earlier = execution.environment.call_context_instructions if counter_type else 0
    return execution.executed() + earlier


@system_function("PP", "i", EVERYWHERE, fixed_cost=1000, cost=per_byte(1))
def is_controller(execution: Execution, source: int, size: int) -> int:
    """1 if a principal is a controller, else 0; a trap if the bytes are no principal."""
    execution.trap_unless(size <= MAXIMUM_PRINCIPAL_LENGTH)
    principal = Principal(execution.read(source, size))
    return int(execution.environment.controllers.contains(principal))


@system_function("", "i", EVERYWHERE)
def in_replicated_execution(execution: Execution) -> int:
    """1 if all nodes run this execution, else 0."""
    return int(execution.context.is_replicated)


@system_function("", "P", _AGREED)
def root_key_size(execution: Execution) -> int:
    """The length of the root key."""
    return len(execution.environment.root_key)


@system_function("PPP", "", _AGREED, cost=per_byte(2))
def root_key_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    """Copies a part of the root key."""
    execution.copy(destination, offset, size, execution.environment.root_key)


@system_function("PP", "", "I G U Ry Rt T", cost=per_byte(1))
def certified_data_set(execution: Execution, source: int, size: int) -> None:
    """Sets the certified data; a trap if it is too long."""
    execution.trap_unless(size <= execution.environment.profile.limits.certified_data)
    execution.new_certified_data = execution.read(source, size)
    execution.cells[CERTIFIED_SIZE] = 0


@system_function("", "i", ALL_BUT_START)
def data_certificate_present(execution: Execution) -> int:
    """1 if there is a certificate, else 0."""
    return int(execution.environment.certificate is not None)


def _certificate(execution: Execution) -> bytes:
    if execution.environment.certificate is None:
        raise Ended
    return execution.environment.certificate


@system_function("", "P", "NRQ CQ")
def data_certificate_size(execution: Execution) -> int:
    """The length of the certificate."""
    return len(_certificate(execution))


@system_function("PPP", "", "NRQ CQ", cost=per_byte(2))
def data_certificate_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    """Copies a part of the certificate."""
    execution.copy(destination, offset, size, _certificate(execution))


@system_function("", "P", ALL_BUT_START)
def env_var_count(execution: Execution) -> int:
    """The number of environment variables."""
    return len(execution.environment.environment_variables)


def _name_at(execution: Execution, index: int) -> bytes:
    names = sorted(variable.name.encode() for variable in execution.environment.environment_variables)
    execution.trap_unless(index < len(names))
    return names[index]


@system_function("P", "P", ALL_BUT_START)
def env_var_name_size(execution: Execution, index: int) -> int:
    """The length of a name, in the order of the names."""
    return len(_name_at(execution, index))


@system_function("PPPP", "", ALL_BUT_START, cost=per_byte(3))
def env_var_name_copy(execution: Execution, index: int, destination: int, offset: int, size: int) -> None:
    """Copies a part of a name, in the order of the names."""
    execution.copy(destination, offset, size, _name_at(execution, index))


def _find(execution: Execution, source: int, size: int) -> EnvironmentVariable | None:
    execution.trap_unless(size <= execution.environment.profile.limits.environment_variable_name_in_system_api)
    name = execution.read_text(source, size)
    return next((one for one in execution.environment.environment_variables if one.name == name), None)


def _value(execution: Execution, source: int, size: int) -> bytes:
    variable = _find(execution, source, size)
    if variable is None:
        raise Ended
    return variable.value.encode()


@system_function("PP", "i", ALL_BUT_START)
def env_var_name_exists(execution: Execution, source: int, size: int) -> int:
    """1 if there is a variable of this name, else 0."""
    return int(_find(execution, source, size) is not None)


@system_function("PP", "P", ALL_BUT_START)
def env_var_value_size(execution: Execution, source: int, size: int) -> int:
    """The length of the value of the variable of this name."""
    return len(_value(execution, source, size))


@system_function("PPPPP", "", ALL_BUT_START, cost=per_byte(4))
def env_var_value_copy(
    execution: Execution, source: int, name_size: int, destination: int, offset: int, size: int
) -> None:
    """Copies a part of the value of the variable of this name."""
    execution.copy(destination, offset, size, _value(execution, source, name_size))


def _text(execution: Execution, source: int, size: int) -> bytes | None:
    inside = source + size <= execution.cells[HEAP_SIZE]
    return execution.read(source, size) if inside else None


@system_function("PP", "", EVERYWHERE, fixed_cost=100, cost=Logging(0))
def debug_print(execution: Execution, source: int, size: int) -> None:
    """Writes to the log; never traps."""
    text = _text(execution, source, size)
    if text is None:
        execution.log_of_system(OUTSIDE, None)
    else:
        execution.log(text)


@system_function("PP", "", EVERYWHERE, cost=Logging(1))
def trap(execution: Execution, source: int, size: int) -> None:
    """Writes to the log and traps."""
    text = _text(execution, source, size)
    execution.log_of_system(OUTSIDE if text is None else text, TrapCause.ASKED_FOR)
    message = (text or b"")[: execution.environment.profile.limits.log_message].decode(errors="ignore")
    raise Ended(message=message, cause=TrapCause.ASKED_FOR)
