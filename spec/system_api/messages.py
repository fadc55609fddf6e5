"""The message that is executed: its argument, its caller and the response to it."""

from spec.system_api.context import Context
from spec.system_api.execution_state import Execution
from spec.values.checklist import defines
from spec.values.quantities import ByteCount
from spec.values.rejects import Reject, RejectCode, Reply
from spec.wasm.traps import Trap

# Argument and caller. Source: canister-interface, method arguments.


def msg_arg_data_size(execution: Execution) -> int:
    return len(execution.parameters.argument)


@defines("seed2.payload")
def msg_arg_data_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    execution.copy_to_heap(destination, offset, size, execution.parameters.argument)


def msg_caller_size(execution: Execution) -> int:
    return len(execution.parameters.caller.principal)


def msg_caller_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    execution.copy_to_heap(destination, offset, size, execution.parameters.caller.principal)


def msg_caller_info_data_size(execution: Execution) -> int:
    return len(execution.parameters.caller.info_data)


def msg_caller_info_data_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    execution.copy_to_heap(destination, offset, size, execution.parameters.caller.info_data)


def msg_caller_info_signer_size(execution: Execution) -> int:
    return len(execution.parameters.caller.info_signer)


def msg_caller_info_signer_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    execution.copy_to_heap(destination, offset, size, execution.parameters.caller.info_signer)


def msg_deadline(execution: Execution) -> int:
    """Zero if the caller waits without bound."""
    return execution.parameters.deadline or 0


# The reject that a callback handles.


def msg_reject_code(execution: Execution) -> int:
    """Zero in a reply callback and its cleanup."""
    reject = execution.parameters.reject
    return 0 if reject is None else reject.code


def msg_reject_msg_size(execution: Execution) -> int:
    return len(_reject_message(execution))


def msg_reject_msg_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    execution.copy_to_heap(destination, offset, size, _reject_message(execution))


def _reject_message(execution: Execution) -> bytes:
    reject = execution.parameters.reject
    if reject is None:
        raise Trap("there is no reject message")
    return reject.message.encode()


# Responding. Source: canister-interface, responding.


@defines("error.reply-too-large")
def msg_reply_data_append(execution: Execution, source: int, size: int) -> None:
    """The data is lost if `ic0.msg_reply` is not called in the same execution."""
    _check_response_owed(execution)
    if len(execution.reply_data) + size > _largest_response(execution):
        raise Trap("the reply is larger than a response may be")
    execution.reply_data += execution.read_heap(source, size)


def msg_reply(execution: Execution) -> None:
    _check_response_owed(execution)
    execution.response = Reply(bytes(execution.reply_data))
    execution.available_cycles = 0


@defines("error.reject-too-large", "inv.reject-code-fixed-by-protocol")
def msg_reject(execution: Execution, source: int, size: int) -> None:
    """Data given for a reply is dropped."""
    _check_response_owed(execution)
    if size > _largest_response(execution):
        raise Trap("the reject message is larger than a response may be")
    try:
        message = execution.read_heap(source, size).decode()
    except UnicodeDecodeError:
        raise Trap("the reject message is not UTF-8") from None
    execution.response = Reject(RejectCode.CANISTER_REJECT, message)
    execution.available_cycles = 0


def _check_response_owed(execution: Execution) -> None:
    if execution.response is not None or not execution.parameters.needs_to_respond:
        raise Trap("the call has been responded to")


def _largest_response(execution: Execution) -> ByteCount:
    limits = execution.environment.profile.limits
    if execution.context is Context.NON_REPLICATED_QUERY or execution.context in _COMPOSITE:
        return limits.non_replicated_reply
    return limits.inter_canister_payload


_COMPOSITE = {
    Context.COMPOSITE_QUERY,
    Context.COMPOSITE_REPLY_CALLBACK,
    Context.COMPOSITE_REJECT_CALLBACK,
}


# Inspection of an ingress message. Source: canister-interface, ingress message inspection.


def msg_method_name_size(execution: Execution) -> int:
    return len(execution.parameters.method_name.encode())


def msg_method_name_copy(execution: Execution, destination: int, offset: int, size: int) -> None:
    execution.copy_to_heap(destination, offset, size, execution.parameters.method_name.encode())


def accept_message(execution: Execution) -> None:
    if execution.message_accepted:
        raise Trap("the message has been accepted already")
    execution.message_accepted = True
