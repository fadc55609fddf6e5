"""A random world in which balances are filled again and again, so that cycles are lost at every turn."""

from collections import Counter
from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import rule

from properties.agreement.beginnings import CANISTERS
from properties.agreement.worlds import LockstepMachine
from properties.strategies.programs import calling_programs
from spec.values import management
from spec.values.identifiers import Principal
from spec.values.quantities import MAXIMUM_CYCLES, Cycles

ADDED: Final[tuple[Cycles, ...]] = (MAXIMUM_CYCLES - 10**15, MAXIMUM_CYCLES, 2 * MAXIMUM_CYCLES)
"""What balances are filled with: nearly enough, enough, and more than any can hold."""

lost: Counter[str] = Counter()
"""Over all runs of this process, how often each rule lost cycles."""


class FullBalancesMachine(LockstepMachine):
    """As its base, but balances are filled whenever room was made."""

    @rule(canister_id=st.sampled_from(CANISTERS), amount=st.sampled_from(ADDED))
    def fill(self, canister_id: Principal, amount: Cycles) -> None:
        """Adds cycles to a balance before anything else happens."""
        arguments = management.ProvisionalTopUpArguments(canister_id, amount)
        self.overtake(self.manage(("provisional_top_up_canister", management.encode_arguments(arguments))))

    @rule(amount=st.sampled_from(ADDED))
    def create_full(self, amount: Cycles) -> None:
        """Creates one more canister with so many cycles."""
        arguments = management.ProvisionalCreateArguments(amount)
        self.overtake(self.manage(("provisional_create_canister_with_cycles", management.encode_arguments(arguments))))

    @rule(canister_id=st.sampled_from(CANISTERS), argument=calling_programs(CANISTERS), uninstalls=st.booleans())
    def call_and_fill(self, canister_id: Principal, argument: bytes, uninstalls: bool) -> None:
        """While calls are on their way, the balance is filled; there is no room for what comes back."""
        self.call_at_once(canister_id, argument)
        if uninstalls:
            arguments = management.UninstallCodeArguments(canister_id)
            self.overtake(self.manage(("uninstall_code", management.encode_arguments(arguments))))
        self.fill(canister_id, MAXIMUM_CYCLES)

    def teardown(self) -> None:
        super().teardown()
        lost.update({name: times for name, times in self.lockstep.lost.items() if times})
