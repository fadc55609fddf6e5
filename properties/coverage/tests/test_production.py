"""What is answered to the behaviours that production's own tests assert."""

import re
from pathlib import Path

import pytest

from properties.coverage.checklist import CHECKLIST, read_checklist
from properties.coverage.join import evidence_names
from properties.coverage.production import (
    Answer,
    Behaviour,
    BehavioursError,
    predict,
    read_answers,
    read_behaviours,
)

ERRATA = Path(__file__).parents[3] / "docs" / "errata.md"


def behaviour(id: str, *, area: str = "cycles", is_in_scope: bool = True) -> Behaviour:
    return Behaviour(id, area, "Something happens.", is_in_scope)


def test_every_behaviour_that_is_named_exists_and_every_answer_is_needed():
    prediction = predict(read_behaviours(), evidence_names(), read_answers())
    assert prediction.unresolved == ()
    assert prediction.needless == ()
    assert len(prediction.rows) == 1_056


def test_answers_stand_in_the_order_of_their_ids():
    assert list(read_answers()) == sorted(read_answers())


def test_what_differs_is_followed_by_where_the_text_or_the_errata_say_so():
    sections = {row.anchor for row in read_checklist(CHECKLIST)}
    sections |= {f"errata#{name}" for name in re.findall(r'<a id="([^"]+)">', ERRATA.read_text(encoding="utf-8"))}
    for id, (answer, reason) in read_answers().items():
        if answer is Answer.DIFFERS:
            said, _, sources = reason.removesuffix(".").partition(". Source: ")
            assert said
            assert set(sources.split(", ")) <= sections, f"{id}: {sources}"


def test_what_a_test_names_is_shown_and_the_rest_is_answered_or_open():
    prediction = predict(
        [behaviour("prod.a"), behaviour("prod.b"), behaviour("prod.c", area="wasm")],
        {"prod.a": ("tests/test_a.py::test_it",), "def.other": ("scenario s",)},
        {"prod.b": (Answer.DRIFTED, "It is 5 now: fees.rs at the base.")},
    )
    assert [(one.answer, one.shown_by, one.reason) for one in prediction.rows] == [
        (Answer.SHOWN, ("tests/test_a.py::test_it",), None),
        (Answer.DRIFTED, (), "It is 5 now: fees.rs at the base."),
        (Answer.OPEN, (), None),
    ]
    assert prediction.counts("cycles") == {Answer.SHOWN: 1, Answer.DRIFTED: 1}
    assert prediction.counts() == {Answer.SHOWN: 1, Answer.DRIFTED: 1, Answer.OPEN: 1}


def test_ids_of_no_behaviour_and_needless_answers_are_told():
    prediction = predict(
        [behaviour("prod.a"), behaviour("prod.far", is_in_scope=False)],
        {"prod.a": ("scenario s",), "prod.x": ("scenario s",)},
        dict.fromkeys(("prod.a", "prod.far", "prod.y"), (Answer.DIFFERS, "So.")),
    )
    assert prediction.unresolved == ("prod.x (scenario s)", "prod.y (docs/production-answers.toml)")
    assert prediction.needless == ("prod.a", "prod.far")


@pytest.mark.parametrize(
    "text",
    [
        '["prod.a"]\nshown = "No."\n',
        '["prod.a"]\ndiffers = "no sentence"\n',
        '["prod.a"]\ndiffers = "One."\ndrifted = "Two."\n',
        '"prod.a" = "No."\n',
        '["prod.a"\n',
    ],
)
def test_an_answer_is_one_kind_and_a_sentence(text: str, tmp_path: Path):
    path = tmp_path / "answers.toml"
    path.write_text(text)
    with pytest.raises(BehavioursError, match=r"answers\.toml"):
        read_answers(path)


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "prod.a"}', "[" * 100_000])
def test_a_line_that_is_no_behaviour_is_named(line: str, tmp_path: Path):
    path = tmp_path / "behaviours.jsonl"
    path.write_text('{"id": "prod.a", "area": "x", "behaviour": "x", "in_scope": true}\n' + line + "\n")
    with pytest.raises(BehavioursError, match=r"behaviours\.jsonl:2: no behaviour"):
        read_behaviours(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    for read in (read_answers, read_behaviours):
        with pytest.raises(BehavioursError, match="No such file"):
            read(tmp_path / "missing")
