"""What canisters pay as time passes. Source: facts on fees; production charges by rounds, this as time moves."""

from typing import Final

from reference_impl.engine import Engine
from reference_impl.subnet.canister_record import CanisterRecord
from spec.state.label import Label
from spec.values.identifiers import CanisterId
from spec.values.quantities import NANOSECONDS_PER_SECOND, Cycles, Nanoseconds, Seconds

LEAST_SECONDS: Final[Seconds] = 10
"""So much time passes before canisters are charged again. Source: production, the interval of charges."""


class Charging:
    """Charges the canisters of an engine for storage and compute."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._begun = engine.instance.system_time
        self._paid_until: dict[CanisterId, Nanoseconds] = {}

    def charge(self) -> None:
        """Every canister pays for the time that passed since it was created or paid."""
        now = self._engine.instance.system_time
        for canister_id, canister in list(self._engine.instance.canisters.items()):
            since = self._paid_until.get(canister_id, max(canister.created_at, self._begun))
            seconds = (now - since) // NANOSECONDS_PER_SECOND
            if seconds >= LEAST_SECONDS:
                self._paid_until[canister_id] = now
                self._pay(canister, self._price(canister, seconds))
        for gone in self._paid_until.keys() - self._engine.instance.canisters.keys():
            del self._paid_until[gone]

    def _price(self, canister: CanisterRecord, seconds: Seconds) -> Cycles:
        ledger, settings = self._engine.instance.ledger_of(canister), canister.settings
        stored = max(settings.memory_allocation, canister.memory_usage())
        return ledger.resources(stored, 0, settings.compute_allocation, seconds)

    def _pay(self, canister: CanisterRecord, price: Cycles) -> None:
        had = canister.balance + canister.reserved_balance
        from_reserved = min(price, canister.reserved_balance)
        if from_reserved:
            left = canister.reserved_balance - from_reserved
            self._take("payment_from_reserved_balance", canister_id=canister.canister_id, balance=left)
        from_main = min(price - from_reserved, canister.balance)
        if from_main:
            left = canister.balance - from_main
            self._take("payment_from_main_balance", canister_id=canister.canister_id, balance=left)
        if price > had and (canister.code is not None or canister.settings.compute_allocation):
            self._take("canister_out_of_cycles", canister_id=canister.canister_id)

    def _take(self, rule: str, **choices: object) -> None:
        self._engine.take(Label(rule, choices))
