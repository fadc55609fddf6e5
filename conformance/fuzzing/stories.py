"""
Stories: acts that build on one another, so that what one left behind is there when the next one comes, and is told.

Acts that are drawn one by one seldom meet: code is replaced where nothing was remembered, and calls go to canisters in
their usual state. A story puts together what leaves something behind, what happens to it, and what tells it; each of
the three is drawn by chance.
"""

import random
from collections.abc import Callable, Sequence
from typing import Final

from conformance.fuzzing.expressions import Call, Value, call
from conformance.fuzzing.managing import FOR_CANISTERS
from conformance.fuzzing.programs import CANISTERS, Programs
from spec.values.identifiers import Text
from spec.values.quantities import Count

WAITING: Final = (0, 0, 1, 60, 400)
"""So many seconds may pass in a story."""

REPLACING: Final = ("upgrade", "upgrade", "upgrade_keeping", "upgrade_replacing", "upgrade_skipping", "reinstall")

CLOSING: Final = ("stop_canister", "stop_canister", "uninstall_code", "delete_canister")
"""Methods after which a canister takes no calls."""


class Stories:
    """Draws stories."""

    def __init__(
        self,
        chance: random.Random,
        programs: Programs,
        act: Callable[[], Call],
        modules: Sequence[Text],
    ) -> None:
        """`act` draws an act of any kind."""
        self._chance = chance
        self._programs = programs
        self._act = act
        self._modules = modules

    def drawn(self) -> list[Call]:
        """The acts of a story, or one that stands alone."""
        kinds = {
            self._alone: 10,
            self._managing: 5,
            self._failing: 2,
            self._replacing: 3,
            self._going_back: 1,
            self._conversing: 3,
            self._calling_what_is_closed: 2,
            self._waiting: 1,
        }
        (chosen,) = self._chance.choices(list(kinds), list(kinds.values()))
        return chosen()

    # Kinds of stories

    def _alone(self) -> list[Call]:
        return [self._act()]

    def _managing(self) -> list[Call]:
        """Several methods of the management canister about one canister, after something that they may be about."""
        number = self._number()
        beginnings = (
            self._manage("take_canister_snapshot", number, replaces=False, uninstalls=None),
            self._manage("upload_canister_snapshot_metadata", number, size=8),
            self._manage("upload_chunk", number, chunk=b"a chunk"),
            self._manage("stop_canister", number),
        )
        (beginning,) = self._chance.choices(beginnings, (3, 1, 1, 1))
        return [beginning, *(self._managing_once(number) for _ in range(self._chance.choice((1, 2, 3))))]

    def _managing_once(self, number: Count) -> Call:
        method_name, fields = self._programs.management_call()
        if method_name not in FOR_CANISTERS:
            return self._manage(method_name, number, **fields)
        caller = call("program", self._programs.managing_by(method_name, fields, 0, call("canister", number)))
        return self._send(self._number(), caller)

    def _failing(self) -> list[Call]:
        """Something is left behind, and more by what then fails."""
        number = self._number()
        failing = self._send(number, self._programs.failing(self._chance.choice((0, 1))))
        return [*self._remembering(number), failing, *self._telling(number)]

    def _replacing(self) -> list[Call]:
        """Code is replaced where something is remembered."""
        number = self._number()
        mode, module = self._chance.choice(REPLACING), self._chance.choice(self._modules)
        replacing = call("install", number, module, self._begun(), mode, "alice")
        return [*self._remembering(number), self._settling(), replacing, *self._telling(number)]

    def _going_back(self) -> list[Call]:
        """A snapshot is taken, more is remembered, and the snapshot is loaded, there or elsewhere."""
        number = self._number()
        taking = self._manage("take_canister_snapshot", number, replaces=False, uninstalls=None)
        target = number if self._chance.random() < 0.8 else self._number()
        source = {} if target == number else {"source": number}
        loading = self._manage("load_canister_snapshot", target, **source)
        return [
            *self._remembering(number),
            self._settling(),
            taking,
            *self._remembering(number),
            self._settling(),
            loading,
            *self._telling(target),
        ]

    def _conversing(self) -> list[Call]:
        """A canister calls another several times."""
        number = self._number()
        asking = call("program", self._programs.note(), self._programs.calling_several(self._chance.choice((0, 1))))
        return [self._send(number, asking), self._settling(), *self._telling(number), *self._telling(self._number())]

    def _calling_what_is_closed(self) -> list[Call]:
        """A canister is stopped, emptied or deleted, and then called."""
        number = self._number()
        closing = self._manage(self._chance.choice(CLOSING), number)
        calling = self._programs.calling_one(call("canister", number), self._chance.choice((0, 1)))
        caller = self._number()
        opening = [self._manage("start_canister", number)] if self._chance.random() < 0.5 else []
        return [closing, self._send(caller, call("program", calling)), *opening, *self._telling(caller)]

    def _waiting(self) -> list[Call]:
        """A program is stored that runs by itself, and time passes."""
        number = self._number()
        hook = self._chance.choice(("set_heartbeat", "set_global_timer_program", "set_global_timer_program"))
        storing = [call(hook, self._programs.noting(1))]
        if hook == "set_global_timer_program":
            storing.append(call("ignore", call("ic0.global_timer_set", 1)))
        ending = call("set_heartbeat", call("program")) if hook == "set_heartbeat" else call("sequence")
        return [
            self._send(number, call("program", *storing, self._programs.answer())),
            self._settling(),
            self._send(number, call("program", ending, self._programs.answer())),
            *self._telling(number),
        ]

    # What stories are made of

    def _remembering(self, number: Count) -> list[Call]:
        return [self._send(number, self._programs.noting(self._chance.choice((0, 0, 1))))]

    def _telling(self, number: Count) -> list[Call]:
        """Also what is told now, and not only at the end, some of the time."""
        if self._chance.random() < 0.5:
            return []
        return [self._settling(), call("query", number, "query", self._programs.telling(), "alice")]

    def _begun(self) -> Call:
        return self._programs.noting(0) if self._chance.random() < 0.4 else call("program")

    def _settling(self) -> Call:
        return call("settle", self._chance.choice(WAITING))

    def _number(self) -> Count:
        return self._chance.randrange(CANISTERS)

    def _send(self, number: Count, program: Call) -> Call:
        return call("send", number, self._chance.choice(("update", "update", "also_update")), program, "alice")

    def _manage(self, method_name: Text, number: Count, **fields: Value) -> Call:
        return call("manage", method_name, number, "alice", True, **fields)
