"""
Modules for those who judge: each execution tells also what it tried, and is run once though several ask for it.

A judge asks of a state what may follow, again and again, and considers what the system might refuse to code that runs.
"""

from collections import deque
from typing import Any, Final

from attrs import evolve, field, fields, frozen

from reference_impl.own_name import OWN_NAME
from reference_impl.wasm.instances.instance import Entry
from reference_impl.wasm.running.module import WasmtimeModule, load_module
from reference_impl.wasm.running.runtime import Finished
from reference_impl.wasm.system_api.given import Given
from spec.canister.module import MalformedModule
from spec.canister.wasm_state import WasmState
from spec.profile import Profile
from spec.values.identifiers import Blob, Text
from spec.values.quantities import Count

KEPT: Final[Count] = 4
"""So many of its last executions a module remembers."""


@frozen(eq=False)
class TellingModule(WasmtimeModule):
    """A module whose outcomes tell each growth of a memory and each call that was tried."""

    _recent: deque[tuple[Entry, WasmState, tuple[Any, ...], Finished]] = field(
        init=False, factory=lambda: deque(maxlen=KEPT)
    )

    def finished(self, entry: Entry, wasm_state: WasmState, given: Given) -> Finished:
        """An execution, as it was run before or is run now."""
        asked = tuple(getattr(given, each.name) for each in fields(Given))
        for known_entry, known_state, known, finished in self._recent:
            if known_state is wasm_state and known_entry == entry and known == asked:
                return finished
        finished = super().finished(entry, wasm_state, evolve(given, tells_growths=True))
        self._recent.append((entry, wasm_state, asked, finished))
        return finished


@frozen
class JudgingEngine:
    """The engine with which a judge may execute canisters, of other implementations than this one."""

    part_of: Text = OWN_NAME
    """The implementation of which it is a part, as that names itself."""

    def load(self, raw_module: Blob, profile: Profile) -> TellingModule | MalformedModule:
        """The module that some bytes are, or why they are none."""
        module = load_module(raw_module, profile)
        if isinstance(module, MalformedModule):
            return module
        return TellingModule(**{each.name: getattr(module, each.name) for each in fields(WasmtimeModule) if each.init})


FAST: Final = JudgingEngine()
