"""What calls to the outside world have in common: fees out of the cycles attached, and answers."""

from attrs import evolve

from spec.state.message import CallMessage, ResponseMessage
from spec.state.state import State
from spec.transition import Burned, BurnReason, Step, require
from spec.values.checklist import defines
from spec.values.identifiers import MessageId
from spec.values.quantities import Cycles
from spec.values.rejects import RejectReason, Response


@defines("mgmt-general.cycles-attached")
def require_fee(call: CallMessage, fee: Cycles) -> None:
    """States that the fee is attached to a call."""
    require(call.transferred_cycles >= fee, "the fee is attached", RejectReason.INSUFFICIENT_CYCLES_ATTACHED)


def served(state: State, message_id: MessageId, call: CallMessage, response: Response, fee: Cycles) -> Step:
    """The step that answers a call, keeps the fee and refunds the rest of the cycles attached."""
    return Step(
        evolve(
            state,
            messages=state.messages.remove(message_id).append(
                ResponseMessage(call.origin, response, call.transferred_cycles - fee)
            ),
        ),
        burned=(Burned(fee, BurnReason.SERVICES),),
    )
