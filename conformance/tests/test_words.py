"""What the system says where it rejects may be anything, also where code makes something of it."""

from fractions import Fraction

import pytest

from conformance.canisters import ic0
from conformance.canisters.scripted import bytes_of_u32, call, length, program, reply, set_slot, slot
from conformance.judging.words import Sayings, bytes_more, depends_on_words, marked, texts_told, words_for_marks
from conformance.protocol.interface import Rejected, Replied, SeenReject
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.suite.scenario import Scenario
from conformance.suite.scenarios.preparations import scripted, stop
from conformance.suite.stage import Stage
from conformance.tests.planted.bugs import BlackBox, LosesACycleOnRefund
from conformance.tests.planted.wording import (
    ChangesWhatCanistersHear,
    SaysHalf,
    SaysNothing,
    SaysSomethingElse,
    TellsWhatItSays,
)
from spec.values.candid import Primitive, Record, encode
from spec.values.rejects import RejectCode, RejectReason


def judged(implementation: BlackBox, script: object) -> Case:
    """The case of a scenario that is in no list."""
    made = Scenario(id="words/script", title="A scenario", covers=(), script=script)  # type: ignore[arg-type]
    return run_scenario(made, implementation, implementation.describe(), Manner())


def tells_the_length(stage: Stage) -> None:
    """A canister tells how long the text is with which its call was rejected."""
    caller, callee = scripted(stage), scripted(stage)
    stop(stage, callee)
    telling = program(reply(bytes_of_u32(length(ic0.msg_reject_msg()))))
    stage.call(caller, program(call(callee, "update", program(reply()), on_reject=telling)))


def tells_the_length_in_a_query(stage: Stage) -> None:
    """The same for the call of a query."""
    caller, callee = scripted(stage), scripted(stage)
    stop(stage, callee)
    telling = program(reply(bytes_of_u32(length(ic0.msg_reject_msg()))))
    stage.query(caller, program(call(callee, "query", program(reply()), on_reject=telling)), "composite")


def tells_it_later(stage: Stage) -> None:
    """A canister keeps the text and tells it when it is asked."""
    caller, callee = scripted(stage), scripted(stage)
    stop(stage, callee)
    keeping = program(set_slot(0, ic0.msg_reject_msg()), reply(b"kept"))
    stage.call(caller, program(call(callee, "update", program(reply()), on_reject=keeping)))
    stage.query(caller, program(reply(slot(0))))


def hears_and_tells_something_else(stage: Stage) -> None:
    """A canister hears the text, and tells nothing of it."""
    caller, callee = scripted(stage), scripted(stage)
    stop(stage, callee)
    keeping = program(set_slot(0, ic0.msg_reject_msg()), reply(b"kept"))
    stage.call(caller, program(call(callee, "update", program(reply()), on_reject=keeping)))


def number(value: int) -> Replied:
    """A number that code tells."""
    return Replied(value.to_bytes(16, "little"))


def pays_for_two_texts(stage: Stage) -> None:
    """A canister tells how long two texts are, and what it has left after both."""
    caller, callee = scripted(stage), scripted(stage)
    telling = program(reply(bytes_of_u32(length(ic0.msg_reject_msg()))))
    stage.call(caller, program(call(callee, "nothing", program(reply()), on_reject=telling)))
    stop(stage, callee)
    stage.call(caller, program(call(callee, "update", program(reply()), on_reject=telling)))
    stage.query(caller, program(reply(ic0.canister_cycle_balance128())))


TELLING = [tells_the_length, tells_the_length_in_a_query, tells_it_later]


@pytest.mark.parametrize("script", [*TELLING, pays_for_two_texts])
@pytest.mark.parametrize("different", [SaysSomethingElse, SaysNothing, SaysHalf])
def test_who_counts_the_text_is_judged_by_how_long_it_is(different: type[BlackBox], script: object) -> None:
    """All that was seen is explained by texts of some length, each of its own."""
    case = judged(different(), script)
    assert case.verdict.name == "pass", case.verdict.why


@pytest.mark.parametrize(
    ("implementation", "scripts"),
    [
        (BlackBox, [*TELLING, hears_and_tells_something_else]),
        (TellsWhatItSays, [tells_the_length, tells_it_later, hears_and_tells_something_else]),
    ],
)
def test_with_the_usual_text_or_one_that_is_explained_there_is_a_verdict(
    implementation: type[BlackBox], scripts: list[object]
) -> None:
    """And it is that the implementation is right. What is said in queries is not explained."""
    for script in scripts:
        case = judged(implementation(), script)
        assert case.verdict.name == "pass", case.verdict.why


def test_what_does_not_depend_on_the_text_is_judged_as_ever() -> None:
    """A cycle that is lost is lost, whatever was said."""

    def script(stage: Stage) -> None:
        caller, callee = scripted(stage), scripted(stage)
        stop(stage, callee)
        keeping = program(reply(bytes_of_u32(ic0.msg_reject_code())))
        rejected = call(callee, "update", program(reply()), cycles=1_000, on_reject=keeping)
        stage.call(caller, program(rejected))
        stage.query(caller, program(reply(ic0.canister_cycle_balance128())))

    assert judged(LosesACycleOnRefund(), script).verdict.name == "fail"
    assert judged(BlackBox(), script).verdict.name == "pass"


def test_what_canisters_say_is_no_choice() -> None:
    """Nor does it end without a verdict."""

    def script(stage: Stage) -> None:
        caller, callee = scripted(stage), scripted(stage)
        telling = program(reply(ic0.msg_reject_msg()))
        stage.call(caller, program(call(callee, "update", program(ic0.msg_reject(b"no")), on_reject=telling)))

    assert judged(ChangesWhatCanistersHear(), script).verdict.name == "fail"


def test_words_stand_where_the_marks_are() -> None:
    """In replies, and in what canisters reject with; anywhere else both are the same."""
    mark = marked("twelve bytes").encode()
    assert len(mark) == 13
    assert words_for_marks(Replied(b"a" + mark + b"b"), Replied(b"a text b")) == (" text ",)
    assert words_for_marks(Replied(mark + b"," + mark), Replied(b"one,two")) == ("one", "two")
    assert words_for_marks(Replied(b"a" + mark), Replied(b"b text")) is None
    assert words_for_marks(Replied(b"a" + mark), Replied(b"a\xff")) is None
    assert words_for_marks(Replied(b"the same"), Replied(b"the same")) is None
    own = Rejected(SeenReject(RejectCode.CANISTER_REJECT, RejectReason.EXPLICIT, f"it said: {mark.decode()}"))
    assert words_for_marks(own, Rejected(SeenReject(4, None, "it said: no"))) == ("no",)
    assert words_for_marks(own, Rejected(SeenReject(5, None, "it said: no"))) is None
    assert list(texts_told(Replied(encode((Record({"why": Primitive.TEXT}),), ({"why": "so"},))))) == ["so"]


def record(why: str, cycles: int) -> Replied:
    """A reply in Candid."""
    return Replied(
        encode((Record({"why": Primitive.TEXT, "cycles": Primitive.NAT}),), ({"why": why, "cycles": cycles},))
    )


@pytest.mark.parametrize(
    ("usual", "with_marks", "explained", "unexplained"),
    [
        (Replied(b"why: so"), Replied(b"why: " + marked("so").encode()), Replied(b"why: no"), Replied(b"no")),
        (number(10**6), number(10**6 - 1_000), number(10**6 - 8_000), number(10**6 + 1)),
        (number(1_000), number(990), number(1_070), number(10**7)),
        (number(9_000), number(6_000), number(5_000), number(8_999)),
        (record("so", 50_000), record(marked("so"), 49_000), record("because", 45_000), record("because", 45_001)),
        (record("so", 500), record("so", 490), record("so", 450), record("because", 450)),
    ],
)
def test_what_was_seen_may_be_due_to_other_words(
    usual: Replied, with_marks: Replied, explained: Replied, unexplained: Replied
) -> None:
    """Words stand where the marks are, and numbers are as if bytes were paid for."""
    for seen, depends in ((explained, True), (unexplained, False)):
        assert depends_on_words([usual], [with_marks], {usual: seen, with_marks: seen}) is depends


def test_what_depends_on_words_in_another_way_may_be_due_to_them() -> None:
    """What cannot be understood excludes nothing; what does not differ excludes words."""
    usual, with_marks = Replied(bytes(range(32))), Replied(bytes(range(1, 33)))
    assert depends_on_words([usual], [with_marks], {usual: Replied(bytes(32)), with_marks: Replied(bytes(32))})
    assert not depends_on_words([usual], [usual], {usual: with_marks})


def test_a_text_has_as_many_bytes_as_were_paid_for() -> None:
    """What code hears in its place, with a mark or without."""
    (told,) = Sayings().with_more(["no canister"], Fraction(-4))
    assert told.stand_in("no canister") == "no cani" and told.stand_in("stopped") == "stopped"
    assert len(told.marked("no canister").encode()) == 7
    assert told.marked("stopped") == marked("stopped")
    (more,) = told.with_more(["no canister", "stopped"], Fraction(3))
    assert more.stand_in("stopped") == "stopped~~~" and more.stand_in("no canister") == "no cani"
    (known,) = more.with_text(["stopped"], {"it rests"})
    assert known.stand_in("stopped") == known.marked("stopped") == "it rests"


@pytest.mark.parametrize(
    ("texts", "more"),
    [
        (["stopped"], Fraction(-8)),
        (["stopped"], Fraction(8_186)),
        (["stopped"], Fraction(1, 2)),
        (["no canister"], Fraction(2)),
        ([], Fraction(1)),
    ],
)
def test_amounts_that_no_length_explains_tell_nothing(texts: list[str], more: Fraction) -> None:
    """No text is shorter than nothing, or longer than there may be, or has half a byte, or two lengths."""
    (known,) = Sayings().with_more(["no canister"], Fraction(0))
    assert list(known.with_more(texts, more)) == []


@pytest.mark.parametrize(("texts", "words"), [(["one", "two"], {"eins"}), (["one"], {"eins", "zwei"}), ([], {"eins"})])
def test_words_that_may_be_said_in_place_of_several_texts_tell_nothing(texts: list[str], words: set[str]) -> None:
    """Nor do several in place of one."""
    assert list(Sayings().with_text(texts, words)) == []


def test_bytes_are_told_where_numbers_differ() -> None:
    """By what one byte makes of them."""
    usual, with_marks, seen = number(1_000), number(1_007), number(1_056)
    assert set(bytes_more([usual], [with_marks], {usual: seen, with_marks: seen})) == {(usual, with_marks, Fraction(8))}
    assert list(bytes_more([usual], [usual], {usual: seen})) == []
