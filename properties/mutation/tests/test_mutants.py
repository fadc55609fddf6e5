"""Mutants are what they say they are: one edit of one function, drawn by a seed."""

import ast
import types

import pytest

from properties.mutation.mutants import AREAS, ROOT, drawn, files_of, functions_of_imports, mutants_of
from properties.mutation.operators import Source, edits_of
from properties.mutation.patching import apply, live_functions, replacements
from properties.mutation.results import read_answers, read_results
from reference_impl.wasm.running import kept_modules
from spec.tooling import kept_files

TEXT = b"""
def told(limit: int, given: int, items: list[int]) -> bool:
    '''What 1 < 2 is in words.'''
    if limit <= given and not items:
        return False
    for each in items:
        record(each)
    assert limit > 0
    return min(limit, 1) < given
"""

EDITS = {
    ("boundary", "<"),
    ("negated comparison", ">"),
    ("other connective", "or"),
    ("missing not", "(items)"),
    ("negated condition", "not (limit <= given and not items)"),
    ("missing guard", "False"),
    ("other truth value", "True"),
    ("first left out", "list(items)[1:]"),
    ("missing statement", "pass"),
    ("default result", "False"),
    ("other function", "max"),
    ("one more", "(1 + 1)"),
    ("boundary", "<="),
    ("negated comparison", ">="),
}


def test_every_operator_finds_its_places_and_leaves_words_and_assertions_alone() -> None:
    """All edits of a small function."""
    source = Source.of(TEXT, types.ModuleType("told"))
    (function,) = ast.parse(TEXT).body
    assert isinstance(function, ast.FunctionDef)
    assert {(edit.operator, edit.replacement) for edit in edits_of(source, function)} == EDITS


def test_every_edit_of_a_module_compiles_and_keeps_the_number_of_lines() -> None:
    """So the lines of the wrong text are those of the right one."""
    mutants = [each for path in files_of("rounds") for each in mutants_of("rounds", path)]
    assert len(mutants) > 300
    for mutant in mutants[::7]:
        compile(mutant.wrong_text, mutant.path, "exec", dont_inherit=True)
        assert mutant.wrong_text.count(b"\n") == mutant.right_text.count(b"\n")
        assert mutant.difference()


def test_the_draw_is_balanced_and_the_same_for_the_same_seed() -> None:
    """Other seeds draw others; a larger draw of a seed has the smaller one in it."""
    once = drawn(4, 1)
    assert once == drawn(4, 1)
    assert {each.identity for each in once} <= {each.identity for each in drawn(6, 1)}
    assert {each.identity for each in once} != {each.identity for each in drawn(4, 2)}
    assert [sum(each.area == area for each in once) for area in AREAS] == [4] * len(AREAS)
    assert len({(each.path, each.line) for each in once}) == len(once)


def test_a_mutant_takes_the_place_of_the_function_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions of this process are put back afterwards; mutants leave modules on disk alone."""
    monkeypatch.setenv(kept_files.SWITCH, "on")
    live = live_functions()
    (mutant,) = (
        each
        for path in files_of("candid")
        for each in mutants_of("candid", path)
        if each.function == "decode" and each.operator == "missing guard" and "CandidError" in each.difference()[0]
    )
    functions = [each for found in live.values() for each in found]
    before = [each.__code__ for each in functions]
    changed = 0
    try:
        apply(mutant, live, loads_anew=False)
        changed = sum(each.__code__ is not code for each, code in zip(functions, before, strict=True))
    finally:
        for each, code in zip(functions, before, strict=True):
            each.__code__ = code
    assert changed == 1
    assert kept_files.folder(kept_modules.FOLDER) is None


def test_a_mutant_inside_a_generator_takes_the_place_of_the_function_around_it() -> None:
    """The generator is made anew at each call, from the code of that function."""
    (mutant,) = (
        each
        for path in files_of("management")
        for each in mutants_of("management", path)
        if each.function == "_samples_fit" and "+        and all(earlier <= later" in "".join(each.difference())
    )
    ((function, code),) = replacements(mutant, live_functions())
    assert function.__qualname__ == "_samples_fit"
    assert code.co_code == function.__code__.co_code
    assert code != function.__code__


@pytest.mark.parametrize("area", AREAS)
def test_every_area_has_more_mutants_than_are_drawn(area: str) -> None:
    """Sixty of each are drawn by default."""
    assert sum(1 for path in files_of(area) for _ in mutants_of(area, path)) > 300


def test_answers_are_about_mutants_that_are_known_and_not_caught() -> None:
    """An answer to what is caught in both manners would hide that it is no longer."""
    results, answers = read_results(), read_answers()
    for identity, answer in answers.items():
        assert identity in results, f"{identity} is not drawn"
        result = results[identity]
        assert None in (result.explained, result.black_box), f"{identity} is caught by {result.black_box}"
        if answer.black_box_only:
            assert result.black_box is None, identity
            assert result.explained is not None, identity


def test_functions_that_run_only_while_their_module_is_imported_get_no_mutants() -> None:
    """What they gave stands before a mutant takes their place. Those that run later too get some."""
    text = """
TABLE = _made(3)
HANDLERS = {"go": _handled, "come": lambda: _called_later()}

def _made(count):
    return [_also_made(count) for _ in range(count)]

def _also_made(count):
    def inner():
        return _used_inside()
    return inner

def _handled(): ...
def _called_later(): ...
def _used_inside(): ...
def _unused(): ...
def public():
    return _unused()
"""
    assert functions_of_imports(ast.parse(text)) == {"_made", "_also_made"}
    path = ROOT / "reference_impl" / "rounds" / "transitions.py"
    functions = {mutant.function for mutant in mutants_of("rounds", path)}
    assert "_management_transitions" not in functions
    assert "take" in functions
