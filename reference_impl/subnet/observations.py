"""What the engine tells of its steps: labels, status changes, executions, and cycles that came or went."""

from collections.abc import Mapping
from enum import Enum

from attrs import frozen

from spec.state.call_context import FailedExecution
from spec.state.label import Label
from spec.state.request import RequestStatus
from spec.values.identifiers import CanisterId, RequestId, Text
from spec.values.quantities import Count, Cycles, Instructions
from spec.values.rejects import Reject


class Purpose(Enum):
    """Why cycles entered or left the system."""

    EXECUTION = "execution", "instructions"
    TRANSMISSION = "transmission", "request_and_response_transmission"
    CREATION = "creation", "canister_creation"
    REQUESTED = "requested", "burned_cycles"
    SERVICES = "services"
    RESOURCES = "resources", "memory"
    LOST = "lost"
    PROVISIONAL = "provisional"

    use: Text | None
    """The field of `canister_metrics` that counts what a canister was charged for it."""

    def __new__(cls, name: Text, use: Text | None = None) -> "Purpose":
        """A purpose with its name as its value."""
        purpose = object.__new__(cls)
        purpose._value_ = name
        purpose.use = use
        return purpose


@frozen
class StatusChange:
    """A request got another status; None if it is no longer known."""

    request_id: RequestId
    status: RequestStatus | None


@frozen
class ExecutionShown:
    """Code of a canister ran."""

    canister_id: CanisterId
    instructions: Instructions
    """What was counted, also if the effects were dropped."""
    failure: FailedExecution | None
    """Why the effects were dropped, if they were."""


Observation = StatusChange | ExecutionShown


@frozen
class Observed:
    """What one step showed."""

    outputs: tuple[Observation, ...] = ()
    minted: tuple[tuple[Purpose, Cycles], ...] = ()
    burned: tuple[tuple[Purpose, Cycles], ...] = ()


@frozen
class ClaimedStep:
    """One transition that the engine says it took."""

    label: Label
    observed: Observed


@frozen
class NotTaken:
    """The engine does not take this in, or does not take this step; nothing has changed."""

    because: Text
    reject: Reject | None = None
    """Code and reason for whoever asked, where there are such."""


@frozen
class Accepted:
    """The request is known now."""

    request_id: RequestId


class Recorder:
    """
    Collects what the current step shows, and the steps since they were last asked for.

    Where nobody asks for steps, neither labels nor what is shown are made; only the sums go on.
    """

    def __init__(self, explains: bool = True) -> None:
        self.explains = explains
        """Steps are asked for."""
        self._outputs: list[Observation] = []
        self._minted: list[tuple[Purpose, Cycles]] = []
        self._burned: list[tuple[Purpose, Cycles]] = []
        self._steps: list[ClaimedStep] = []
        self.executions: Count = 0
        """How often code ran since the beginning."""
        self.cycles_burned: Cycles = 0
        """What left the system since the beginning."""
        self.ran: dict[CanisterId, None] = {}
        """The canisters with logs whose code ran, by the engine's own choice, since these were looked at."""

    def status(self, request_id: RequestId, status: RequestStatus | None) -> None:
        """Notes a change of a request's status."""
        if self.explains:
            self._outputs.append(StatusChange(request_id, status))

    def execution(
        self, canister_id: CanisterId, instructions: Instructions, failure: FailedExecution | None, has_logs: bool
    ) -> None:
        """Notes that code of a canister, with or without logs, ran."""
        self.executions += 1
        if has_logs:
            self.ran[canister_id] = None
        if self.explains:
            self._outputs.append(ExecutionShown(canister_id, instructions, failure))

    def minted(self, cycles: Cycles, purpose: Purpose) -> None:
        """Notes cycles that entered the system."""
        if cycles and self.explains:
            self._minted.append((purpose, cycles))

    def burned(self, cycles: Cycles, purpose: Purpose) -> None:
        """Notes cycles that left the system."""
        self.cycles_burned += cycles
        if self.explains:
            self.tell_burned(cycles, purpose)

    def tell_burned(self, cycles: Cycles, purpose: Purpose) -> None:
        """The current step shows that cycles left the system."""
        if cycles:
            self._burned.append((purpose, cycles))

    def close(self, rule: Text, choices: Mapping[str, object]) -> None:
        """Ends the current step, which is claimed to be this transition."""
        if not self.explains:
            return
        observed = Observed(tuple(self._outputs), tuple(self._minted), tuple(self._burned))
        self._steps.append(ClaimedStep(Label(rule, choices), observed))
        self._outputs.clear()
        self._minted.clear()
        self._burned.clear()

    @property
    def last_step(self) -> ClaimedStep:
        """The latest step. There must be one that was not asked for yet."""
        return self._steps[-1]

    @property
    def last(self) -> Observed:
        """What the latest step showed. There must be one that was not asked for yet."""
        return self._steps[-1].observed

    def take_steps(self) -> list[ClaimedStep]:
        """The steps since the last call, oldest first."""
        steps, self._steps = self._steps, []
        return steps
