"""A generated module on both engines, with limits around what its executions use."""

from collections.abc import Iterator
from typing import Final

from attrs import evolve, field, frozen

from properties.agreement.modules import ModulePair, load_pair, running_canister
from spec.canister.environment import Environment
from spec.canister.outcome import Outcome, Returned, TrapReason
from spec.canister.wasm_state import WasmState
from spec.profile import Profile
from spec.values.identifiers import Blob, Text
from spec.values.quantities import ByteCount, Count, Instructions

LIMIT: Final[Instructions] = 15_000
"""What one execution may use: enough for some turns of a loop, and the interpreter is done soon."""

MOST_MEMORY: Final[ByteCount] = 16 * 2**20
"""How far a heap can grow: searching gigabytes for changed pages after each execution would take long."""

MUCH_WORK: Final[Instructions] = 200
"""An execution that was charged more has done something, whatever it left."""


@frozen
class SeenExecution:
    """One execution, on which both engines agreed."""

    outcome: Outcome
    changed_state: bool = False
    """It left another heap or other globals."""

    @property
    def ending(self) -> Text:
        """`returned`, or why not."""
        return "returned" if isinstance(self.outcome, Returned) else self.outcome.reason.value


@frozen
class Played:
    """What was done with a module."""

    is_installed: bool
    """It fulfils the requirements of canister modules, and its start function returned."""
    executions: tuple[SeenExecution, ...] = field(default=())

    def how_many(self, ending: Text) -> Count:
        """The executions that ended so."""
        return sum(one.ending == ending for one in self.executions)

    @property
    def changed_state(self) -> bool:
        """Some execution left another heap or other globals."""
        return any(one.changed_state for one in self.executions)

    @property
    def did_work(self) -> bool:
        """Something of the module's code had an effect, or it ran for a while."""
        return self.changed_state or any(one.outcome.instructions_used > MUCH_WORK for one in self.executions)


RETURNED: Final = "returned"
TRAPPED: Final = TrapReason.TRAPPED.value
OUT_OF_INSTRUCTIONS: Final = TrapReason.OUT_OF_INSTRUCTIONS.value


def play(raw: Blob, profile: Profile) -> Played:
    """Installs a module and runs its update methods on both engines. Raises `Differ`."""
    profile = small_memories(profile)
    pair = load_pair(raw, profile)
    if pair is None:
        return Played(False)
    environment = evolve(running_canister(profile), instruction_limit=LIMIT)
    installed = _execution(pair.initial_state(), pair.install(b"", environment))
    if not isinstance(installed.outcome, Returned):
        return Played(False, (installed,))
    return Played(True, (installed, *_run_methods(pair, installed.outcome.new_state, environment)))


def small_memories(profile: Profile) -> Profile:
    """The profile with heaps that stay small."""
    limits = evolve(profile.limits, wasm_memory_32=MOST_MEMORY, wasm_memory_64=MOST_MEMORY)
    return evolve(profile, name=f"{profile.name}, small memories", limits=limits)


def _run_methods(pair: ModulePair, state: WasmState, environment: Environment) -> Iterator[SeenExecution]:
    """Each method twice, on what the methods before it left; and again with limits around what it used."""
    methods = sorted(pair.specification.update_methods)
    for method in (*methods, *methods):
        execution = _execution(state, pair.update(method, state, environment))
        yield execution
        for limit in limits_around(execution.outcome.instructions_used):
            yield SeenExecution(pair.update(method, state, evolve(environment, instruction_limit=limit)))
        if isinstance(execution.outcome, Returned):
            state = execution.outcome.new_state


def limits_around(used: Instructions) -> tuple[Instructions, ...]:
    """Limits at which an execution that used so much just ends, just does not end, and stops in its middle."""
    return tuple(sorted({used, max(used - 1, 0), used // 2, used // 7}))


def _execution(before: WasmState, outcome: Outcome) -> SeenExecution:
    return SeenExecution(outcome, isinstance(outcome, Returned) and outcome.new_state != before)
