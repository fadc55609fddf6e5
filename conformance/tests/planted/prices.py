"""Implementations that follow no profile to the last cycle: their prices are their own."""

from fractions import Fraction

from attrs import evolve, fields

from conformance.protocol.interface import Advanced, Answer, Description, Replied
from conformance.tests.planted.bugs import BlackBox
from spec.profile import known_profiles
from spec.state.request import Request
from spec.values import management
from spec.values.identifiers import MANAGEMENT_CANISTER, RequestId
from spec.values.quantities import Count, Cycles, Nanoseconds

PROFILES = known_profiles()
FEES = PROFILES["production"].fees

LIMITS_OF_MODULES = (
    "functions", "globals", "custom_sections", "custom_sections_size", "exported_methods", "exported_method_names",
)  # fmt: skip
"""Modules that exceed these may be rejected, says the interface specification."""

LIMITS_OF_THEIR_OWN = (
    "chunk_store", "snapshots", "call_timeout", "environment_variables", "environment_variable_name",
    "environment_variable_value", "query_call_depth", "inter_canister_payload", "local_request_payload",
    "non_replicated_reply", "log_message", "subnet_memory",
)  # fmt: skip
"""The constants of the system that the interface specification names without a value, and sizes of messages."""

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


class PaysAllTheTime(HasOtherPrices):
    """Every canister pays a cycle for its resources whenever the system is advanced."""

    by: Cycles = -1

    def __init__(self) -> None:
        BlackBox.__init__(self)

    def advance(self, rounds: Count, nanoseconds: Nanoseconds) -> Advanced:
        canisters = self.current.canisters
        for canister_id, canister in canisters.items():
            changed = evolve(canister, balance=max(0, canister.balance + self.by))
            canisters = canisters.set(canister_id, changed)
        self._state = evolve(self.current, canisters=canisters)
        return super().advance(rounds, nanoseconds)


class GivesCyclesAway(PaysAllTheTime):
    """Every canister gets a cycle whenever the system is advanced."""

    by = 1


class IsNearlyFree(HasOtherPrices):
    """It costs next to nothing, so that no freezing threshold freezes a canister."""

    def __init__(self) -> None:
        names = {each.name for each in fields(type(FEES))} - {"reference_subnet_size", "base_per_second"}
        fees = evolve(FEES, **dict.fromkeys(names, 1))
        BlackBox.__init__(self, PROFILES | {"production": evolve(PROFILES["production"], fees=fees)})


class HasOtherLimits(HasOtherPrices):
    """It takes large modules, and gives canisters other cycles if nobody says how many."""

    def __init__(self) -> None:
        production = PROFILES["production"]
        larger = {name: 1_000 * getattr(production.limits, name) for name in LIMITS_OF_MODULES}
        other = evolve(
            production,
            limits=evolve(production.limits, **larger),
            defaults=evolve(production.defaults, provisional_cycles=7 * 10**12),
        )
        BlackBox.__init__(self, PROFILES | {"production": other})


class HasLargerFigures(HasOtherPrices):
    """What the text leaves to the implementation to limit is limited to three times as much as in production."""

    by: Fraction = Fraction(3)

    def __init__(self) -> None:
        production = PROFILES["production"]
        other = {name: int(self.by * getattr(production.limits, name)) for name in LIMITS_OF_THEIR_OWN}
        BlackBox.__init__(
            self, PROFILES | {"production": evolve(production, limits=evolve(production.limits, **other))}
        )


class HasSmallerFigures(HasLargerFigures):
    """To half as much."""

    by = Fraction(1, 2)


class HasSmallerFiguresUnsaid(HasSmallerFigures):
    """To half as much, though it claims to follow the profile."""

    def describe(self) -> Description:
        return evolve(super().describe(), profiles=("production",))


class MiscountsChanges(HasOtherPrices):
    """Its prices are its own, and where a canister relays what is told of another, that has one change too many."""

    def answer(self, request_id: RequestId) -> Answer:
        answer = super().answer(request_id)
        if not isinstance(answer, Replied):
            return answer
        try:
            told = management.decode_result("canister_info", answer.data)
        except ValueError:
            return answer
        more = evolve(told, total_num_changes=told.total_num_changes + 1)
        return Replied(management.encode_result("canister_info", more))


class FreezesSooner(HasOtherPrices):
    """Its prices are its own, and the freezing threshold is another one if nobody sets it."""

    def __init__(self) -> None:
        production = PROFILES["production"]
        sooner = evolve(production, defaults=evolve(production.defaults, freezing_threshold=1_000_000))
        BlackBox.__init__(self, PROFILES | {"production": sooner})
