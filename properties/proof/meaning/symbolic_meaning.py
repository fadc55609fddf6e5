"""
The specification on unknown values: the one place where names of its modules are given other meanings for a while.

The rules call functions, `isinstance` and `len` by their names, and Python looks these up in the module that the text
stands in. So, while `symbolic_meaning` lasts, the modules of the specification have

- instead of each function of the rules the same text with its conditions asked as a whole (`rewriting`), and merged
  into one value if it gives a scalar (`wholes`),
- the builtins of `builtin_functions`,
- opaque functions as unknown ones (`modules`), through the hook that `spec.transition` has for this, and likewise the
  one function that makes a text of unknown values,
- and a `require` that remembers its condition for counterexamples.

Afterwards every name is what it was.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import spec.transition
import spec.values.rejects
from properties.proof.containers.containers import make_containers
from properties.proof.meaning.builtin_functions import BUILTINS
from properties.proof.meaning.modules import UnknownModule, opaque_result
from properties.proof.meaning.rewriting import WHOLE, rewritten_module
from properties.proof.meaning.wholes import as_a_whole, is_mergeable, merging
from properties.proof.paths.runs import path
from properties.proof.terms.session import Session
from properties.proof.values.scalars import is_unknown
from properties.proof.values.unknown import Makers
from spec.canister.module import CanisterModule

PLACES = ("spec.rules", "spec.invariants", "spec.state", "spec.transition", "spec.values.quantities")
"""The modules whose text works on unknown values."""


def new_session() -> Session:
    """A session in which every type of the specification has unknown values."""
    session = Session()
    made = session.part(Makers)
    make_containers(made)
    made.protocols[CanisterModule] = UnknownModule
    return session


_require = spec.transition.require


def recording_require(holds: Any, condition: str, *arguments: Any, **named: Any) -> None:
    """`require`, whose conditions are remembered for people."""
    answer = bool(holds)
    path().notes.setdefault("conditions", {})[condition] = answer
    _require(answer, condition, *arguments, **named)


def text_of_reject(reason: Any, detail: Any) -> Any:
    """The text of a reject: an unknown function of reason and detail, if they are not known."""
    if is_unknown(reason) or is_unknown(detail):
        return opaque_result("text_of_reject", _text_of_reject, (reason, detail), {})
    return _text_of_reject(reason, detail)


_text_of_reject = spec.values.rejects.text_of_reject


def is_place_of_rules(module_name: str) -> bool:
    """The module has rules or functions of rules, and not tests of them."""
    return module_name.startswith("spec.rules") and ".tests" not in module_name


def body_on_unknown_values(rule: spec.transition.Rule) -> Callable[..., Any]:
    """The function of a rule as it is run on unknown values."""
    body: Callable[..., Any] = rewritten_module(rule.body.__module__).get(id(rule.body), rule.body)
    return body


@contextmanager
def symbolic_meaning(replaced: dict[Any, Any] | None = None) -> Iterator[None]:
    """
    While this lasts, the modules of the specification work on unknown values.

    `replaced` maps functions and rules to others that take their places, which is how planted mistakes are tried.
    """
    undo: list[tuple[Any, str, Any]] = []
    missing = object()
    replacements = {id(_require): recording_require}
    replacements |= {id(original): other for original, other in (replaced or {}).items()}

    def set_in(module: Any, name: str, value: Any) -> None:
        undo.append((module, name, module.__dict__.get(name, missing)))
        module.__dict__[name] = value

    places = [(name, module) for name, module in list(sys.modules.items()) if name.startswith(PLACES)]
    rewritten: dict[int, Any] = {}
    for module_name, _ in places:
        if is_place_of_rules(module_name):
            rewritten |= rewritten_module(module_name)
    replacements = rewritten | replacements
    for module_name, module in places:
        for name, value in list(module.__dict__.items()):
            if id(value) in replacements:
                value = replacements[id(value)]
                set_in(module, name, value)
            if module_name.startswith("spec.rules") and isinstance(value, FunctionType) and is_mergeable(value):
                set_in(module, name, merging(value))
        for name, value in {**BUILTINS, WHOLE: as_a_whole}.items():
            set_in(module, name, value)
    set_in(spec.values.rejects, "text_of_reject", text_of_reject)
    before, spec.transition.interpretation = spec.transition.interpretation, opaque_result
    try:
        yield
    finally:
        spec.transition.interpretation = before
        for module, name, value in reversed(undo):
            if value is missing:
                del module.__dict__[name]
            else:
                module.__dict__[name] = value
