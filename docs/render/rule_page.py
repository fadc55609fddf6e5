"""The page of a rule, made from its source."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from docs.render.functions import Function, function_of_rule, functions_named_by
from docs.render.outline import code, markdown, paragraphs, sentence
from docs.render.statements import Scope, block
from spec.transition import Rule

STATE_AFTER: Final[str] = "# STATE AFTER"
"""Parts the conditions from the effects."""

OURS: Final[str] = "ours#"
"""Begins the source of a rule that fills a gap."""

ANSWERED: Final[tuple[str, ...]] = ("spec.rules.management", "spec.rules.ingress.submission")
"""The modules whose rules tell how a call or request fails for a condition."""


def module_path(function: Function) -> str:
    """The file of a function, relative to the project."""
    return Path(*function.body.__module__.split(".")).with_suffix(".py").as_posix()


def parts(function: Function) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """The statements before and after the state after begins."""
    lines = inspect.getsource(function.body).splitlines()
    marks = [number for number, line in enumerate(lines, start=1) if line.strip() == STATE_AFTER]
    border = marks[0] if marks else len(lines)
    before = [statement for statement in function.statements if statement.lineno < border]
    return before, [statement for statement in function.statements if statement.lineno >= border]


def source_line(rule: Rule, function: Function) -> str:
    """Where the rule comes from, and where it stands."""
    file = module_path(function)
    here = f"[{code(file)}](../../../{file})"
    if rule.source.startswith(OURS):
        entry = rule.source.removeprefix(OURS)
        return f"Source: ours, see [errata](../../errata.md#{entry}). Written in {here}."
    return f"Source: {code(rule.source)} of the interface specification. Written in {here}."


def choices(function: Function) -> Iterator[str]:
    """The free variables with their types, and what those have that a label may omit."""
    for choice in function.tree.args.kwonlyargs:
        kind = "" if choice.annotation is None else ast.unparse(choice.annotation)
        default = function.defaults.get(choice.arg)
        omitted = "" if default is None else f", {code(ast.unparse(default))} if the label omits it"
        yield f"- {code(choice.arg)}: {code(kind)}{omitted}"


def words(function: Function) -> Iterator[str]:
    """The functions that the page names and does not follow, in words."""
    for named in functions_named_by(function):
        told = sentence(ast.get_docstring(named.tree))
        if told:
            parameters = ", ".join(named.parameters)
            yield f"- {code(f'{named.name}({parameters})')}: {told}"


def rule_page(rule: Rule) -> str:
    """The page of a rule in Markdown."""
    function = function_of_rule(rule)
    scope = Scope(function, {}, tells_rejects=rule.body.__module__.startswith(ANSWERED))
    conditions, after = parts(function)
    sections = [
        f"# {rule.title}",
        f"Rule {code(rule.name)}. {source_line(rule, function)}",
        paragraphs(ast.get_docstring(function.tree) or ""),
    ]
    for title, lines in (
        ("Choices", list(choices(function))),
        ("Conditions", list(markdown(block(conditions, scope)))),
        ("State after", list(markdown(block(after, scope)))),
        ("Words", list(words(function))),
    ):
        if lines:
            sections.append(f"## {title}\n\n" + "\n".join(lines))
    return "\n\n".join(sections) + "\n"
