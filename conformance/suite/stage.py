"""
The stage on which a scenario plays: what users do, what they ask of the management canister, and what is pinned.

A scenario says what users do. What may come of it is the judge's affair; `expect` only pins what a scenario is about.
"""

from collections.abc import Callable, Mapping
from typing import Final

from conformance.canisters.library import SCRIPTED, load
from conformance.judging.candid_text import names_of_interface, names_of_module
from conformance.judging.patterns import Pattern, replies
from conformance.judging.verdicts import Judged, NotApplicable, fail, inconclusive
from conformance.judging.wording import shown
from conformance.protocol.interface import Replied, Seen
from conformance.suite.acting import Acting, Played, Sent
from conformance.suite.people import ALICE
from spec.values import management
from spec.values.identifiers import (
    MANAGEMENT_CANISTER,
    Blob,
    CanisterId,
    MethodName,
    Principal,
    Text,
)
from spec.values.quantities import Count, Cycles

MUCH: Final[Cycles] = 10**14
"""Enough for anything that a scenario does."""

MetInstead = Callable[[Played, Count, Mapping[Blob, Seen]], bool]
"""
Whether what is pinned there holds with what the specification says instead of some answers: given what was done, how
much was pinned, and these answers.
"""


class Stage(Acting):
    """One run of a scenario on one implementation: what a scenario is given."""

    is_met_instead: MetInstead | None = None
    """Whether the specification meets what the scenario pins, as far as it has pinned; None if nobody knows."""
    _pinned: Count = 0

    # The management canister

    def send_managed(
        self,
        method_name: MethodName,
        argument: Blob | management.ManagementArguments,
        canister_id: CanisterId = MANAGEMENT_CANISTER,
        sender: Principal = ALICE,
    ) -> Sent:
        """A call to the management canister about a canister."""
        encoded = argument if isinstance(argument, bytes) else management.encode_arguments(argument)
        return self.send(MANAGEMENT_CANISTER, method_name, encoded, sender=sender, effective_id=canister_id)

    def manage(
        self,
        method_name: MethodName,
        argument: Blob | management.ManagementArguments,
        canister_id: CanisterId = MANAGEMENT_CANISTER,
        sender: Principal = ALICE,
    ) -> Seen:
        """A call to the management canister, with its answer."""
        sent = self.send_managed(method_name, argument, canister_id, sender)
        self.settle()
        return self.answer(sent)

    def about(self, method_name: MethodName, canister_id: CanisterId, sender: Principal = ALICE) -> Seen:
        """A management method that takes a canister id and nothing else."""
        return self.manage(method_name, management.CanisterIdArguments(canister_id), canister_id, sender)

    def create(
        self,
        cycles: Cycles | None = MUCH,
        settings: management.SettingsArguments | None = None,
        sender: Principal = ALICE,
        name: Text | None = None,
    ) -> CanisterId:
        """A new canister without code."""
        arguments = management.ProvisionalCreateArguments(
            amount=cycles,
            settings=management.SettingsArguments() if settings is None else settings,
            specified_id=None,
            sender_canister_version=None,
        )
        created = self._must(self.manage("provisional_create_canister_with_cycles", arguments, sender=sender))
        canister_id = management.decode_canister_id_result(created)
        self._transcript.name_canister(canister_id, name)
        return canister_id

    def install(
        self,
        canister_id: CanisterId,
        module: Blob,
        argument: Blob = b"",
        mode: management.CanisterInstallMode | None = None,
        sender: Principal = ALICE,
    ) -> Seen:
        """Installs code."""
        self._judge.field_names |= names_of_module(module)
        if module in map(load, SCRIPTED):
            self._scripted.add(canister_id)
        return self.manage(
            "install_code",
            management.InstallCodeArguments(
                mode=management.InstallMode() if mode is None else mode,
                canister_id=canister_id,
                wasm_module=module,
                arg=argument,
                sender_canister_version=None,
            ),
            canister_id,
            sender,
        )

    def name_user(self, principal: Principal, name: Text) -> None:
        """The transcript calls a user so."""
        self._transcript.name_user(principal, name)

    def name_fields(self, interface: Text) -> None:
        """Messages are shown with the names of fields that a Candid interface has."""
        self._judge.field_names |= names_of_interface(interface)

    def create_with_code(
        self,
        module: Blob,
        argument: Blob = b"",
        cycles: Cycles | None = MUCH,
        settings: management.SettingsArguments | None = None,
        name: Text | None = None,
    ) -> CanisterId:
        """A new canister with code, which runs."""
        canister_id = self.create(cycles, settings, name=name)
        self._must(self.install(canister_id, module, argument))
        return canister_id

    def name_renamed(self, canister_id: CanisterId, new_canister_id: CanisterId, name: Text) -> None:
        """The transcript calls a canister so under its new id, and knows what code it has."""
        self._transcript.name_canister(new_canister_id, name)
        if canister_id in self._scripted:
            self._scripted.add(new_canister_id)

    def status(self, canister_id: CanisterId) -> management.CanisterStatusResult:
        """A canister, as its controller sees it."""
        return management.decode_canister_status(self._must(self.about("canister_status", canister_id)))

    def balance(self, canister_id: CanisterId) -> Cycles:
        """The cycles of a canister, as its controller sees them."""
        return self.status(canister_id).cycles

    # What a scenario is about

    def expect(self, seen: Seen, pattern: Pattern) -> None:
        """Pins what the scenario is about, unless trouble may have come first."""
        if not self._pins(pattern.admits(seen)):
            raise fail(f"the answer is {shown(seen)}", (f"an answer that {pattern.words}",))

    def require(self, holds: bool, words: Text) -> None:
        """Pins a fact about what was seen, under the same condition."""
        if not self._pins(holds):
            raise fail(f"it does not hold that {words}")

    def _pins(self, holds: bool) -> bool:
        """
        What the scenario pins holds, or need not.

        In an environment that is not calm it need not. Where the system may have refused something to code that ran, it
        need not hold if the specification, which went on after the same refusal, does not meet it either.
        """
        self._pinned += 1
        if holds or not self._terms.environment.is_calm:
            return True
        is_met, pinned = self.is_met_instead, self._pinned
        if is_met is None:
            return self._judge.has_refused
        # Reason: with prices of its own, what code replies after a refusal may look like a reply without one.
        if self._terms.costs_are_exact and not self._judge.has_refused:
            return False
        return not all(is_met(self.played, pinned, said) for said in self._judge.said_after_refusals())

    @property
    def knows_prices(self) -> bool:
        """The implementation follows the profile to the last cycle; else its prices, and its limits, are its own."""
        return self._terms.costs_are_exact

    @property
    def knows_the_time(self) -> bool:
        """The clock moves only when the scenario moves it."""
        return not self._terms.is_live

    def _must(self, seen: Seen) -> Blob:
        if isinstance(seen, Replied):
            return seen.data
        if self._judge.has_refused:
            raise Judged(NotApplicable(f"memories grow, and calls are taken, only sometimes: {shown(seen)}"))
        if not self._terms.environment.is_calm:
            raise inconclusive(f"trouble came before the scenario's point: {shown(seen)}")
        raise fail(f"a preparation was answered with {shown(seen)}", (f"an answer that {replies().words}",))
