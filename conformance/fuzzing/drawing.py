"""Random courses: what users do, drawn act by act, or a course that is known with something changed."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from attrs import evolve, frozen

from conformance.canisters.generated_modules import FLAVOURS, METHODS, generated_module
from conformance.fuzzing.acts import PATHS
from conformance.fuzzing.expressions import Call, Course, Value, call
from conformance.fuzzing.managing import FOR_CANISTERS
from conformance.fuzzing.programs import CANISTERS, NOTHING_TAKEN, Programs
from conformance.fuzzing.stories import Stories
from spec.machine import OUTSIDE
from spec.transition import RULES
from spec.values.identifiers import Text
from spec.values.quantities import Count

SENDERS: Final = ("alice", "alice", "alice", "alice", "bob", "eve", "anonymous")
SECONDS: Final = (0, 0, 0, 1, 60, 400, 10**6)
SCRIPTED: Final = ("scripted", "scripted", "scripted", "scripted_tasks", "scripted_low_memory", "scripted_keep")
MODES: Final = (
    "install",
    "reinstall",
    "upgrade",
    "upgrade",
    "upgrade_keeping",
    "upgrade_replacing",
    "upgrade_skipping",
)
BROKEN: Final = (b"", b"\x00asm\x01\x00\x00\x00\xff", b"\x1f\x8b\x08garbage")
SMALL: Final = "small-world"
"""The profile under which programs may be endless, and modules may be any: its limits are soon reached."""

TAKEN: Final = tuple(name for name in RULES if name not in OUTSIDE)
"""The rules of which an implementation that can `schedule` is told to take a transition."""

MOST_TRIED: Final[Count] = 12
"""So many rules are tried for one of which a transition can be taken."""

LONGEST: Final[Count] = 40
"""So many acts a course has at most."""


@frozen
class Drawn:
    """A random scenario, before anybody ran it."""

    course: Course
    profile: Text | None
    """The bundled profile that it needs; None if the implementation follows none to the last cycle."""
    black_box: bool = False
    """It is judged by what users see alone."""


@frozen
class Vocabulary:
    """What scenarios are drawn from."""

    profiles: tuple[Text, ...]
    """The bundled profiles that the implementation follows to the last cycle."""
    explains: bool
    """The implementation can be judged by what it explains; else it is a black box."""
    schedules: bool
    has_generated_modules: bool
    """`wasm-tools smith` is there."""


class Drawing:
    """Draws scenarios by chance."""

    def __init__(
        self, chance: random.Random, vocabulary: Vocabulary, times: Mapping[Text, Count] = NOTHING_TAKEN
    ) -> None:
        """`times`: how often each rule was taken in the campaign. What leads to others is drawn more often."""
        self._chance = chance
        self._times = times
        self._is_black_box = False
        """What is being drawn is judged by what users see alone."""
        self._vocabulary = vocabulary

    def new(self) -> Drawn:
        """A scenario that has nothing of others."""
        profile = self._chance.choice(self._vocabulary.profiles or (None,))
        black_box = self._is_black_box = not self._vocabulary.explains or self._chance.random() < 0.15
        begun = [self.creation(profile) for _ in range(self._chance.choice((1, 2, 2, 3)))]
        stories = [self.story(profile) for _ in range(self._chance.choice((2, 3, 5, 7)))]
        acts = [act for story in stories for act in story]
        # Reason: orders of calls under way are tried one by one for a black box, so it gets fewer at a time.
        under_way = self._chance.choice((1, 1, 2)) if black_box else LONGEST
        return Drawn((*begun, *resting(acts, under_way))[:LONGEST], profile, black_box)

    def changed(self, drawn: Drawn, others: Sequence[Drawn]) -> Drawn:
        """A scenario that is known, with something changed."""
        course = drawn.course
        self._is_black_box = drawn.black_box
        for _ in range(self._chance.choice((1, 1, 2, 3))):
            kinds = (self._inserted, self._inserted, self._left_out, self._redrawn, self._doubled, self._exchanged)
            course = self._chance.choice(kinds)(course, drawn.profile)
        fitting = [each for each in others if (each.profile, each.black_box) == (drawn.profile, drawn.black_box)]
        if fitting and self._chance.random() < 0.2:
            other = self._chance.choice(fitting).course
            course = course[: self._chance.randrange(1, len(course) + 1)] + other[self._chance.randrange(len(other)) :]
        return evolve(drawn, course=course[:LONGEST])

    def story(self, profile: Text | None) -> list[Call]:
        """Acts that build on one another, or one alone."""
        return Stories(self._chance, self._programs(profile), lambda: self.act(profile), SCRIPTED).drawn()

    # Acts

    def act(self, profile: Text | None) -> Call:
        """Something that somebody does."""
        weights: dict[Callable[[Text | None], Call], float] = {
            self._sending: 8,
            self._settling: 2,
            self._querying: 2,
            self._managing: 6,
            self._installing: 1,
            self._reading: 1,
            self._retiring: 0.5,
            self._taking: 2 if self._vocabulary.schedules else 0,
        }
        (chosen,) = self._chance.choices(list(weights), list(weights.values()))
        return chosen(profile)

    def creation(self, profile: Text | None) -> Call:
        """A canister is created."""
        if self._may_be_generated(profile) and self._chance.random() < 0.15:
            return call("create", self._generated(), b"")
        cycles = self._chance.choice((*(10**14,) * 6, 10**12, 10**12, 10**10, 0))
        module = self._chance.choice((*SCRIPTED, *SCRIPTED, None))
        programs = self._programs(profile)
        begun = call("program", *(programs.effect() for _ in range(self._chance.randrange(3))))
        return call("create", module, begun, cycles)

    def _programs(self, profile: Text | None) -> Programs:
        # Reason: the length of an answer from outside that no user sees is charged; a black box does not tell it.
        return Programs(
            self._chance,
            may_be_endless=profile == SMALL,
            times=self._times,
            reaches_beyond=not self._is_black_box,
        )

    def _may_be_generated(self, profile: Text | None) -> bool:
        return self._vocabulary.has_generated_modules and profile == SMALL

    def _generated(self) -> bytes:
        # Reason: an installation may take 42 million instructions, which are minutes on the specification.
        return generated_module(self._chance.getrandbits(48), evolve(self._chance.choice(FLAVOURS), starts=False))

    def _number(self) -> Count:
        return self._chance.randrange(CANISTERS)

    def _sender(self) -> Text:
        return self._chance.choice(SENDERS)

    def _sending(self, profile: Text | None) -> Call:
        choice = self._chance.choice
        method = choice(("update", "update", "update", "also_update", "stored_update", "query", "no such method"))
        if self._may_be_generated(profile) and self._chance.random() < 0.15:
            method = choice(METHODS)
        named: dict[Text, Value] = {}
        if self._chance.random() < 0.05:
            named["ingress_expiry"] = choice((-1, 0, 1, 300, 301, 10**4))
        return call("send", self._number(), method, self._programs(profile).program(), self._sender(), **named)

    def _settling(self, profile: Text | None) -> Call:
        return call("settle", self._chance.choice(SECONDS))

    def _querying(self, profile: Text | None) -> Call:
        method = self._chance.choice(("query", "query", "composite", "composite", "stored_query", "update"))
        return call("query", self._number(), method, self._programs(profile).program(1), self._sender())

    def _managing(self, profile: Text | None) -> Call:
        programs = self._programs(profile)
        method_name, fields = programs.management_call()
        if method_name in FOR_CANISTERS and self._chance.random() < 0.9:
            asking = call("program", programs.managing_by(method_name, fields, 0))
            return call("send", self._number(), "update", asking, self._sender())
        is_alone = self._chance.random() < 0.7
        return call("manage", method_name, self._number(), self._sender(), is_alone, **fields)

    def _installing(self, profile: Text | None) -> Call:
        module: Value = self._chance.choice((*SCRIPTED, *BROKEN))
        if self._may_be_generated(profile) and self._chance.random() < 0.2:
            module = self._generated()
        begun = self._programs(profile).program(0)
        return call("install", self._number(), module, begun, self._chance.choice(MODES), self._sender())

    def _reading(self, profile: Text | None) -> Call:
        return call("read", self._chance.choice(PATHS), self._number(), self._sender())

    def _retiring(self, profile: Text | None) -> Call:
        return call("retire", self._number())

    def _taking(self, profile: Text | None) -> Call:
        """Of several rules, those first that were taken least."""
        order = sorted(TAKEN, key=lambda rule: self._chance.random() ** (1 + self._times.get(rule, 0)), reverse=True)
        return call("take", *order[: self._chance.choice((1, MOST_TRIED))])

    # Changes

    def _place(self, course: Course) -> Count:
        return self._chance.randrange(len(course))

    def _inserted(self, course: Course, profile: Text | None) -> Course:
        place = self._chance.randrange(len(course) + 1)
        return (*course[:place], *self.story(profile), *course[place:])

    def _left_out(self, course: Course, profile: Text | None) -> Course:
        place = self._place(course)
        return course[:place] + course[place + 1 :] if len(course) > 1 else course

    def _redrawn(self, course: Course, profile: Text | None) -> Course:
        place = self._place(course)
        return (*course[:place], self.act(profile), *course[place + 1 :])

    def _doubled(self, course: Course, profile: Text | None) -> Course:
        place = self._place(course)
        return (*course[:place], course[place], *course[place:])

    def _exchanged(self, course: Course, profile: Text | None) -> Course:
        one, other = sorted((self._place(course), self._place(course)))
        if one == other:
            return course
        return (*course[:one], course[other], *course[one + 1 : other], course[one], *course[other + 1 :])


def resting(acts: Sequence[Call], most: Count) -> list[Call]:
    """The acts, with a rest after so many calls that are under way."""
    rested: list[Call] = []
    under_way = 0
    for act in acts:
        rested.append(act)
        waits = act.name in ("settle", "install", "create", "retire") or (act.name == "manage" and act.arguments[3])
        under_way = 0 if waits else under_way + (act.name in ("send", "manage"))
        if under_way == most:
            rested.append(call("settle", 0))
            under_way = 0
    return rested
