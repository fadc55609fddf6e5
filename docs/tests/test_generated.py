"""The generated pages are those of the rules as they are now."""

import ast

import pytest

from docs.render.functions import STATING, called, calls_in, function_of_rule
from docs.render.pages import index_page, kept_pages, pages, rules_by_group
from spec.transition import RULES

PAGES = pages()


def test_no_page_is_stale_missing_or_left_over():
    kept = kept_pages()
    assert sorted(kept) == sorted(PAGES), "run `make docs`"
    assert [name for name in PAGES if kept[name] != PAGES[name]] == [], "run `make docs`"


def test_rendering_twice_gives_the_same():
    assert pages() == PAGES


def test_every_rule_is_in_exactly_one_group():
    listed = [rule.name for rules in rules_by_group().values() for rule in rules]
    assert sorted(listed) == sorted(RULES)
    assert all(f"(rules/{name}.md)" in index_page() for name in RULES)


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_page_tells_choices_conditions_and_effects(name):
    page = PAGES[f"rules/{name}.md"]
    assert page.startswith(f"# {RULES[name].title}\n")
    choices, conditions, after = (
        page.partition(f"\n## {part}\n\n")[2].partition("\n## ")[0] for part in ("Choices", "Conditions", "State after")
    )
    assert choices.startswith("- `")
    assert ": `" in conditions
    assert after.startswith("- ")


def test_conditions_of_helpers_are_told_where_they_are_called():
    page = PAGES["rules/reject_call_to_frozen_canister.md"]
    assert "no older call of the same queue waits: `is_eligible(state, message_id, call.queue)`" in page
    assert "the callee is frozen: `liquid_balance(state.profile, callee) < 0`" in page


def words_of_conditions(function, seen):
    """The words of all conditions that a function states, or a function that it calls."""
    if function.name in seen or function.is_opaque:
        return
    seen.add(function.name)
    for call in calls_in(function.tree):
        if isinstance(call.func, ast.Name) and call.func.id in STATING - {"unspecified"}:
            words = call.args[2 if call.func.id == "require_kind" else 1]
            yield words.value if isinstance(words, ast.Constant) else None
        elif (target := called(call, function)) is not None:
            yield from words_of_conditions(target, seen)


@pytest.mark.parametrize("name", sorted(RULES))
def test_no_condition_is_lost_on_the_page(name):
    told = PAGES[f"rules/{name}.md"]
    stated = [words for words in words_of_conditions(function_of_rule(RULES[name]), set()) if words is not None]
    assert stated
    assert [words for words in stated if f"{words}: " not in told] == []
