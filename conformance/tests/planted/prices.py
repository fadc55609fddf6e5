"""Implementations that follow no profile to the last cycle: their prices are their own."""

from attrs import evolve

from conformance.protocol.interface import Answer, Description, Replied
from conformance.tests.planted.bugs import BlackBox
from spec.profile import known_profiles
from spec.state.request import Request
from spec.values.identifiers import MANAGEMENT_CANISTER, RequestId

PROFILES = known_profiles()
FEES = PROFILES["production"].fees

OTHER_FEES = evolve(
    FEES,
    update_message_execution=2 * FEES.update_message_execution,
    call=FEES.call + 1_234,
    call_byte=3 * FEES.call_byte,
    canister_creation=FEES.canister_creation // 5,
    storage_per_gib_second=3 * FEES.storage_per_gib_second,
)


class HasOtherPrices(BlackBox):
    """It has prices of its own, and says so by claiming no profile."""

    def __init__(self) -> None:
        super().__init__(PROFILES | {"production": evolve(PROFILES["production"], fees=OTHER_FEES)})

    def describe(self) -> Description:
        return evolve(super().describe(), profiles=())


class HasOtherPricesUnsaid(HasOtherPrices):
    """It has prices of its own, and claims to follow the profile."""

    def describe(self) -> Description:
        return evolve(super().describe(), profiles=("production",))


class SaysLessThanItMust(HasOtherPrices):
    """It claims no profile, and replies nothing where the status of a canister was asked for."""

    def answer(self, request_id: RequestId) -> Answer:
        answer = super().answer(request_id)
        known = self.current.requests[request_id].request if request_id in self.current.requests else None
        return Replied(b"DIDL\x00\x00") if isinstance(answer, Replied) and asks_for_status(known) else answer


def asks_for_status(request: Request | None) -> bool:
    """A user asks for the status of a canister."""
    return (
        request is not None and request.canister_id == MANAGEMENT_CANISTER and request.method_name == "canister_status"
    )
