"""What is drawn: any course makes sense, is kept as JSON, written as Python, and made smaller."""

import json
import random

from conformance.fuzzing.acts import ACTS
from conformance.fuzzing.changing import smaller
from conformance.fuzzing.corpus import drawn_as_json, drawn_from_json
from conformance.fuzzing.drawing import SMALL, Drawing, Drawn, Vocabulary
from conformance.fuzzing.expressions import CONSTANTS, call, evaluated, function_named, names_in
from conformance.fuzzing.programs import Programs

ALL = Vocabulary(("production", SMALL), explains=True, schedules=True, has_generated_modules=False)


def drawn(seed: int) -> Drawn:
    """The scenario of a seed."""
    return Drawing(random.Random(seed), ALL).new()


def test_what_is_drawn_depends_on_the_seed_alone() -> None:
    """So a campaign can be repeated."""
    assert drawn(7) == drawn(7)
    assert len({repr(drawn(seed)) for seed in range(20)}) == 20


def test_every_function_that_is_named_is_there() -> None:
    """Acts, functions of the scripted canister, and functions of the System API."""
    own = {*ACTS, *CONSTANTS, "canister", "argument_of"}
    named = {name for seed in range(150) for name in names_in(drawn(seed).course)}
    assert own <= named, "so that this is seen of each"
    for name in named - own:
        assert callable(function_named(name))


def test_programs_can_be_evaluated() -> None:
    """Whatever is drawn is a program of the scripted canister."""
    own = {"canister": lambda number: bytes([number]), "argument_of": lambda *_, **__: b"DIDL\x00\x00"}
    for seed in range(60):
        made = Programs(random.Random(seed), may_be_endless=True).program(3)
        assert isinstance(evaluated(made, own), bytes)


def test_what_is_kept_is_what_was_drawn() -> None:
    """Also after a change."""
    for seed in range(30):
        drawing = Drawing(random.Random(seed), ALL)
        new = drawing.new()
        for each in (new, drawing.changed(new, [drawn(seed + 1)])):
            assert drawn_from_json(json.loads(json.dumps(drawn_as_json(each)))) == each


def test_smaller_ones_are_smaller_and_lead_to_nothing() -> None:
    """Whoever always takes the first smaller one ends with no act at all."""

    def size(each: Drawn) -> int:
        return len(json.dumps(drawn_as_json(each)))

    least = drawn(3)
    while (found := next(smaller(least), None)) is not None:
        assert size(found) < size(least)
        least = found
    assert least.course == ()


def test_parts_of_programs_are_left_out() -> None:
    """Without that a failure would have whole programs in it."""
    program = call("program", call("spin", 10), call("reply", b"answer"))
    start = Drawn((call("send", 0, "update", program, "alice"),), SMALL)
    programs = [each.course[0].arguments[2] for each in smaller(start) if each.course]
    assert call("program", call("reply", b"answer")) in programs
    assert call("program", call("spin", 10)) in programs
    assert call("program", call("spin", 0), call("reply", b"answer")) in programs
