"""System API: the message, its caller, the response, and the inspection of messages."""

from reference_impl.wasm.layout.fast_functions import ACCEPTED_MESSAGE
from reference_impl.wasm.layout.system_functions import ALL_BUT_START, per_byte, system_function
from reference_impl.wasm.system_api.execution import Ended, Execution
from spec.values.rejects import Reject, RejectCode

_WITH_ARGUMENT = "I U RQ NRQ TQ CQ Ry CRy F"
_WITH_CALLER_INFO = "U RQ NRQ CQ Ry Rt CRy CRt C CC F"
_RESPONDING = "U RQ NRQ TQ CQ Ry Rt CRy CRt"
_REJECTED = "Rt CRt"


@system_function("", "P", _WITH_ARGUMENT)
def msg_arg_data_size(execution: Execution) -> int:
    """The length of the argument, or of the reply in a reply callback."""
    return len(execution.argument)


@system_function("PPP", "", _WITH_ARGUMENT, cost=per_byte(2))
def msg_arg_data_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    """Copies a part of the argument, or of the reply in a reply callback."""
    execution.copy(destination, offset, size, execution.argument)


@system_function("", "P", ALL_BUT_START)
def msg_caller_size(execution: Execution) -> int:
    """The length of the caller's principal."""
    return len(execution.caller.principal)


@system_function("PPP", "", ALL_BUT_START, cost=per_byte(2))
def msg_caller_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    """Copies a part of the caller's principal."""
    execution.copy(destination, offset, size, execution.caller.principal)


@system_function("", "P", _WITH_CALLER_INFO)
def msg_caller_info_data_size(execution: Execution) -> int:
    """The length of the information that the caller's canister signature comes with."""
    return len(execution.caller.info_data)


@system_function("PPP", "", _WITH_CALLER_INFO, cost=per_byte(2))
def msg_caller_info_data_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    """Copies a part of the information that the caller's canister signature comes with."""
    execution.copy(destination, offset, size, execution.caller.info_data)


@system_function("", "P", _WITH_CALLER_INFO)
def msg_caller_info_signer_size(execution: Execution) -> int:
    """The length of the id of the canister that signed for the caller."""
    return len(execution.caller.info_signer)


@system_function("PPP", "", _WITH_CALLER_INFO, cost=per_byte(2))
def msg_caller_info_signer_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    """Copies a part of the id of the canister that signed for the caller."""
    execution.copy(destination, offset, size, execution.caller.info_signer)


@system_function("", "i", "Ry Rt CRy CRt C")
def msg_reject_code(execution: Execution) -> int:
    """The code of the reject that is handled or cleaned up after; 0 for a reply."""
    return int(execution.given.reject.code) if execution.given.reject else 0


def _reject_message(execution: Execution) -> bytes:
    if execution.given.reject is None:
        raise Ended
    return execution.given.reject.message.encode()


@system_function("", "P", _REJECTED)
def msg_reject_msg_size(execution: Execution) -> int:
    """The length of the reject message."""
    return len(_reject_message(execution))


@system_function("PPP", "", _REJECTED, cost=per_byte(2))
def msg_reject_msg_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    """Copies a part of the reject message."""
    execution.copy(destination, offset, size, _reject_message(execution))


@system_function("", "l", "U RQ NRQ CQ Ry Rt CRy CRt")
def msg_deadline(execution: Execution) -> int:
    """When the caller of a bounded-wait call stops waiting; 0 for other calls."""
    return execution.given.deadline or 0


def _require_no_response(execution: Execution) -> None:
    execution.trap_unless(execution.must_respond)


@system_function("PP", "", _RESPONDING, cost=per_byte(1, factor=50))
def msg_reply_data_append(execution: Execution, source: int, size: int) -> None:
    """Appends to the reply under construction."""
    _require_no_response(execution)
    execution.gather_reply()
    execution.trap_unless(len(execution.reply_data) + size <= execution.largest_response)
    execution.append_to_reply(execution.read(source, size))


@system_function("", "", _RESPONDING)
def msg_reply(execution: Execution) -> None:
    """Replies with what was appended; cycles not accepted go back."""
    _require_no_response(execution)
    execution.reply()


@system_function("PP", "", _RESPONDING, cost=per_byte(1, factor=50))
def msg_reject(execution: Execution, source: int, size: int) -> None:
    """Rejects with a message; cycles not accepted go back."""
    _require_no_response(execution)
    execution.trap_unless(size <= execution.largest_response)
    message = execution.read_text(source, size)
    execution.respond(Reject(RejectCode.CANISTER_REJECT, message))


@system_function("", "P", "F")
def msg_method_name_size(execution: Execution) -> int:
    """The length of the name of the method that the inspected message calls."""
    return len(execution.given.method_name.encode())


@system_function("PPP", "", "F", cost=per_byte(2))
def msg_method_name_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    """Copies a part of the name of the method that the inspected message calls."""
    execution.copy(destination, offset, size, execution.given.method_name.encode())


@system_function("", "", "F")
def accept_message(execution: Execution) -> None:
    """Accepts the inspected message; a trap the second time."""
    execution.trap_unless(not execution.cells[ACCEPTED_MESSAGE])
    execution.cells[ACCEPTED_MESSAGE] = 1
