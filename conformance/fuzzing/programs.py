"""Random programs of the scripted canister, as expressions."""

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from conformance.fuzzing.expressions import Call, Value, call
from conformance.fuzzing.fixed_arguments import FIXED
from conformance.fuzzing.managing import Managing, Options
from spec.values.identifiers import Text
from spec.values.quantities import Count

TEXTS: Final = (b"", b"a", b"state", b"x" * 100)
CYCLES: Final = (0, 1, 10**6, 10**9, 10**12, 10**15, 2**100)
METHODS: Final = ("update", "update", "update", "also_update", "stored_update", "query", "no such method", "composite")
NUMBERS: Final = (0, 1, 2, 3, 200, 2**16, 2**32 - 1, 2**63, 2**64 - 1)
CANISTERS: Final[Count] = 4
"""Acts and programs name canisters by numbers below this one."""

READINGS: Final = (
    "ic0.msg_caller",
    "ic0.canister_self",
    "ic0.canister_cycle_balance128",
    "ic0.canister_liquid_cycle_balance128",
    "ic0.cost_create_canister",
    "ic0.subnet_self",
)
"""Functions without arguments that leave bytes."""

READINGS_OF_SOME: Final = (
    "stable_content",
    "ic0.msg_arg_data",
    "ic0.msg_cycles_available128",
    "ic0.msg_cycles_refunded128",
    "ic0.msg_method_name",
    "ic0.msg_reject_msg",
    "ic0.data_certificate",
    "ic0.root_key",
)
"""Those that trap in some entry points or states."""

COUNTING: Final = (
    "ic0.time",
    "ic0.canister_version",
    "ic0.canister_status",
    "ic0.stable64_size",
    "ic0.in_replicated_execution",
    "ic0.env_var_count",
    "memory_size",
    "global_value",
)
"""Functions without arguments that leave an integer."""

COUNTING_IN_SOME: Final = ("ic0.msg_deadline", "ic0.msg_reject_code", "ic0.data_certificate_present")
"""Those that trap in some entry points."""

NOTHING_TAKEN: Final[Mapping[Text, Count]] = MappingProxyType({})

LETTERS: Final = b"abcdefgh"
"""Notes are told apart by them."""

OUTSIDE_FEE: Final = 10**11
"""More cycles than a call that leaves the subnet costs."""

RISK: Final = 0.06
"""How often something is drawn that may trap where it stands; else most programs would end in a trap."""

HOOKS: Final = (
    "set_heartbeat",
    "set_global_timer_program",
    "set_pre_upgrade",
    "set_inspect_message",
    "set_on_low_wasm_memory",
    "set_stored_method",
)
ENDLESS: Final = frozenset({"loop_forever", "recurse_forever"})
"""Actions that go on until the limits of the profile, which only small limits make bearable."""


class Programs:
    """Draws programs."""

    def __init__(
        self,
        chance: random.Random,
        *,
        may_be_endless: bool,
        times: Mapping[Text, Count] = NOTHING_TAKEN,
        reaches_beyond: bool = True,
    ) -> None:
        """
        `times`: how often each rule was taken. What was seen least is drawn more often.

        `reaches_beyond`: the outside world is asked, too.
        """
        self._chance = chance
        self._managing = Managing(chance, times, reaches_beyond=reaches_beyond)
        self._may_be_endless = may_be_endless

    def program(self, depth: Count = 2) -> Call:
        """A program with calls nested to a depth."""
        pieces = [self.action(depth) for _ in range(self._chance.choice((0, 0, 1, 1, 2, 3)))]
        ending = self._chance.choice((*(self.answer,) * 8, *(self.nothing,) * 3, self.failure))
        return call("program", *pieces, ending())

    def called(self, depth: Count) -> Call:
        """A program for a canister that another calls: it often takes of the cycles, and notes that it was called."""
        taking = [call("accept_cycles", self._chance.choice(CYCLES))] if self._chance.random() < 0.35 else []
        noting = [self.note()] if self._chance.random() < 0.6 else []
        return after(self.program(depth), *taking, *noting)

    def noting(self, depth: Count) -> Call:
        """A program that leaves a note first."""
        return after(self.program(depth), self.note())

    def failing(self, depth: Count) -> Call:
        """A program that leaves something behind, and then fails."""
        pieces = [self.action(depth) for _ in range(self._chance.choice((0, 1)))]
        return call("program", self.note(), *pieces, self.failure())

    def note(self) -> Call:
        """
        Remembers that it was done: in the heap, in the order in which such things happen, mostly.

        What a canister remembers is told at the end of every scenario, and by `telling`.
        """
        pick = self._chance.choice
        tag = bytes([pick(LETTERS)])
        kinds = (
            call("append_to_slot", pick((0, 1)), tag),
            call("append_to_slot", 0, call("concat", tag, call(self._named(READINGS, READINGS_OF_SOME)))),
            call("stable_append", tag),
            call("set_global", call("counter", pick((0, 1)))),
        )
        (chosen,) = self._chance.choices(kinds, (6, 1, 2, 1))
        return call("sequence", chosen, call("add_to_counter", pick((0, 1))))

    def telling(self) -> Call:
        """Answers with what notes remember."""
        heap = (call("slot", 0), call("slot", 1), call("bytes_of_u64", call("counter", 0)))
        others = (call("bytes_of_u64", call("global_value")), call("ic0.canister_cycle_balance128"))
        return call("program", call("reply", call("concat", *heap, *others)))

    def action(self, depth: Count) -> Call:
        """Something that leaves something behind, or a call."""
        kinds: list[Callable[[], Call]] = [self.effect] * 2 + [self.note, self.storing]
        if self._chance.random() < RISK:
            kinds = [self.answer]
        if depth > 0:
            kinds += [lambda: self.calling(depth - 1)] * 3 + [lambda: self.managing(depth - 1)]
            kinds += [lambda: self.calling_several(depth - 1)] * 2
            kinds += [lambda: call("when", self.integer(), self.action(depth - 1), self.action(depth - 1))]
        return self._chance.choice(kinds)()

    def nothing(self) -> Call:
        """No action."""
        return call("sequence")

    def effect(self) -> Call:
        """Leaves something behind in the canister or the system."""
        pick = self._chance.choice
        if self._chance.random() < RISK:
            return pick(
                (
                    call("ic0.accept_message"),
                    call("ic0.stable64_write", pick((0, 8, 65_535)), self.bytes_()),
                    call("memory_write", pick((200_000, 2**20)), self.bytes_()),
                    call("ic0.certified_data_set", b"c" * 33),
                    call("accept_cycles", pick(CYCLES)),
                )
            )
        return pick(
            (
                call("append_to_slot", pick((0, 1)), self.bytes_()),
                call("set_slot", 0, self.bytes_()),
                call("add_to_counter", pick((0, 1, 2))),
                call("stable_append", self.bytes_()),
                call("set_global", self.integer()),
                call("ic0.certified_data_set", pick((b"", b"certified", b"c" * 32))),
                call("ignore", call("ic0.global_timer_set", pick((0, 1, 2**63)))),
                call("ic0.debug_print", self.bytes_()),
                call("ignore", call("ic0.cycles_burn128", pick(CYCLES))),
                call("spin", pick((0, 10, 200))),
                call("ignore", call("memory_grow", pick((0, 1, 3)))),
                call("ignore", call("ic0.stable64_grow", pick((0, 1, 2)))),
                call("set_counter", 0, self.integer()),
                call("ignore", call("ic0.is_controller", self.bytes_())),
            )
        )

    def storing(self) -> Call:
        """Stores what an entry point does."""
        return call(self._chance.choice(HOOKS), self.program(1))

    def answer(self) -> Call:
        """Answers the call with something of the canister's state."""
        if self._chance.random() < 0.15:
            return call("reject", self.bytes_())
        return call("reply", self.bytes_())

    def bytes_(self) -> Value:
        """A byte string."""
        match self._chance.randrange(8):
            case 0 | 1:
                return self._chance.choice(TEXTS)
            case 2:
                return call("slot", self._chance.choice((0, 1)))
            case 3:
                return call("bytes_of_u64", self.integer())
            case 4:
                return call("concat", self._chance.choice(TEXTS), call(self._named(READINGS, READINGS_OF_SOME)))
            case 5:
                size = self._chance.choice((8, 16)) if self._chance.random() < RISK else 0
                return call("ic0.stable64_read", 0, size)
            case 6:
                return call("ic0.cost_call", self._chance.choice((0, 6)), self._chance.choice((0, 10, 2**20)))
            case _:
                return call("concat", call(self._named(READINGS, READINGS_OF_SOME)))

    def integer(self) -> Value:
        """A number."""
        match self._chance.randrange(6):
            case 0:
                return self._chance.choice(NUMBERS)
            case 1:
                return call("counter", self._chance.choice((0, 1, 2)))
            case 2:
                return call("ic0.performance_counter", self._chance.choice((0, 1)))
            case 3:
                return call("length", call("slot", 0))
            case _:
                return call(self._named(COUNTING, COUNTING_IN_SOME))

    def _named(self, usual: tuple[Text, ...], of_some: tuple[Text, ...]) -> Text:
        return self._chance.choice(of_some if self._chance.random() < RISK else usual)

    def failure(self) -> Call:
        """Fails, and not always at once."""
        kinds = [
            call("trap", b"planned"),
            call("unreachable"),
            call("ic0.stable64_write", 2**40, b"beyond"),
            call("sequence", call("ic0.msg_reply"), call("ic0.msg_reply")),
            call("ignore", call("u32_of_bytes", b"")),
            call("ignore", call("ic0.cost_sign_with_ecdsa", b"no such key", 0)),
        ]
        if self._may_be_endless:
            kinds += [call("loop_forever"), call("recurse_forever")]
        return self._chance.choice(kinds)

    def callee(self) -> Call:
        """A canister, seldom one that there is not."""
        return call("canister", self._chance.randrange(CANISTERS))

    def calling(self, depth: Count) -> Call:
        """Calls a method, with cycles, callbacks and a deadline."""
        return self.calling_one(b"\x00\x01\x02" if self._chance.random() < 0.1 else self.callee(), depth)

    def calling_one(self, callee: Value, depth: Count) -> Call:
        """Calls a method of a canister."""
        return self._calling(callee, self._chance.choice(METHODS), self.called(depth), depth)

    def calling_several(self, depth: Count) -> Call:
        """Calls several times in one execution, mostly the same canister; each call leaves a note there."""
        callee = self.callee()
        makes = [
            self._calling(
                callee if self._chance.random() < 0.8 else self.callee(),
                self._chance.choice(("update", "update", "also_update")),
                after(self.called(0) if self._chance.random() < 0.4 else call("program", self.answer()), self.note()),
                depth,
            )
            for _ in range(self._chance.choice((2, 2, 3)))
        ]
        return call("sequence", *makes)

    def managing(self, depth: Count) -> Call:
        """Calls the management canister."""
        return self.managing_by(*self._managing.drawn(), depth)

    def managing_by(self, method_name: Text, options: Options, depth: Count, about: Call | None = None) -> Call:
        """Calls a method of the management canister, about a canister or any."""
        argument = call("argument_of", method_name, about or self.callee(), **options)
        made = self._calling(call("MANAGEMENT_CANISTER"), method_name, argument, depth)
        return made.with_option("cycles", OUTSIDE_FEE) if method_name in FIXED else made

    def management_call(self) -> tuple[Text, Options]:
        """A method of the management canister about a canister, and what else it is given."""
        return self._managing.drawn()

    def _calling(self, callee: Value, method_name: Text, argument: Value, depth: Count) -> Call:
        chance = self._chance
        options: dict[Text, Value] = {"cycles": chance.choice((0, 10**9, 10**10, *CYCLES))}
        for name, usual in (("on_reply", "RELAY_REPLY"), ("on_reject", "RELAY_REJECT")):
            handles = chance.choice((None, None, 0, max(0, depth - 1)))
            options[name] = call(usual) if handles is None else self.program(handles)
        if chance.random() < 0.3:
            options["on_cleanup"] = self.program(0)
        if chance.random() < 0.3:
            options["timeout_seconds"] = chance.choice((0, 1, 10, 300, 2**32 - 1))
        options["if_refused"] = call("append_to_slot", 1, b"refused")
        return call("call", callee, method_name, argument, **options)


def after(program: Call, *actions: Call) -> Call:
    """The program, after some actions."""
    return call("program", *actions, *program.arguments)
