"""Canisters whose executions ask for memory and calls, and go on with what they get."""

from typing import Any

from attrs import define, evolve

from spec.canister.outcome import Growth, MethodCall, Returned
from spec.canister.wasm_state import WasmState
from spec.rules.tests.worlds import FAKES, Fake, performed, returns
from spec.state.canister import Code
from spec.values.containers import List
from spec.values.identifiers import Principal
from spec.values.quantities import WASM_PAGE, Count
from spec.values.rejects import Reply

MIB = 2**20
PAGES_OF_MIB = MIB // WASM_PAGE


@define
class Asking(Fake):
    """A module whose update methods, tasks and callbacks grow stable memory and make calls, and tell what they got."""

    asks: tuple[Count | MethodCall, ...] = ()
    """Numbers of pages, and calls, in the order in which methods and tasks ask for them."""
    asks_in_callback: tuple[Count | MethodCall, ...] = ()
    """Likewise in callbacks."""

    def _run(self, name: str, wasm_state: WasmState, **arguments: Any) -> Any:
        if name in ("init", "pre_upgrade", "post_upgrade") or name.startswith("composite"):
            return super()._run(name, wasm_state, **arguments)
        environment = arguments["environment"]
        growths: list[Growth] = []
        made: list[MethodCall] = []
        told = bytearray()
        tried = 0
        for one in self.asks_in_callback if name == "callback" else self.asks:
            if isinstance(one, MethodCall):
                is_refused = tried in environment.refused_calls
                made += [] if is_refused else [evolve(one, number=tried)]
                tried += 1
            else:
                is_refused = len(growths) in environment.refused_growths
                growths.append(Growth(0 if is_refused else one * WASM_PAGE, tried))
                if not is_refused:
                    memory = wasm_state.stable_memory
                    wasm_state = evolve(wasm_state, stable_memory=memory.with_pages(memory.wasm_pages + one, ()))
            told.append(not is_refused)
        return Returned(
            wasm_state,
            1_000,
            new_calls=List(tuple(made)),
            response=None if made else Reply(bytes(told)),
            growths=len(growths),
            tried_growths=tuple(growths),
            calls_tried=tried,
        )


def asking_for(*asks: Count | MethodCall, in_callback: tuple[Count | MethodCall, ...] = ()) -> bytes:
    """The bytes that stand for such a module, with the method `go`. It answers unless it made a call."""
    raw_module = b"fake module %d" % len(FAKES)
    FAKES[raw_module] = Asking(gives={"update go": returns()}, asks=asks, asks_in_callback=in_callback)
    return raw_module


def with_stable(canister_id: Principal, raw_module: bytes, pages: Count) -> Code:
    """Code with so many pages of stable memory."""
    state = WasmState(canister_id)
    return Code(raw_module, evolve(state, stable_memory=state.stable_memory.with_pages(pages, ())))


__all__ = ["MIB", "PAGES_OF_MIB", "Asking", "asking_for", "performed", "with_stable"]
