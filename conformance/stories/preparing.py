"""A story made ready: modules are read, arguments are messages, and what cannot be is told before anything is done."""

import re
from typing import Final

from attrs import evolve, field, frozen

from conformance.stories.story import Act, Install, Invoke, LoadSnapshot, Step, Story, StoryError, TakeSnapshot
from conformance.suite.people import user
from spec.canister.module import CanisterModule, MalformedModule
from spec.profile import Profile
from spec.rules.modules import module_or_defect
from spec.tooling.candid_text import (
    CandidTextError,
    Interface,
    message_of,
    read_interface,
    read_values,
    told_interface,
)
from spec.values.candid import CandidType
from spec.values.identifiers import ANONYMOUS, Blob, Principal, Text, principal_from_text

INTERNAL: Final = ("__", "@")
"""How names of methods begin that a runtime adds."""

REJECT: Final = "reject"
"""What is expected of a step that must fail."""

PRINCIPAL: Final = re.compile(r"[a-z2-7]{1,5}(-[a-z2-7]{1,5})+")


@frozen
class Told:
    """A module, and what is known of its interface."""

    raw_module: Blob = field(repr=False)
    module: CanisterModule = field(repr=False)
    interface: Interface | None
    text: Text = field(default="", repr=False)
    """The interface as it was written."""


@frozen
class Ready:
    """A step that can be done."""

    step: Step
    sender: Principal
    told: Told
    """The module that the canister has then."""
    argument: Blob = b""

    @property
    def act(self) -> Act:
        """What is done."""
        return self.step.act


def prepared(story: Story, profile: Profile) -> tuple[Ready, ...]:
    """The steps of a story, ready to be done. Raises `StoryError`."""
    ready: list[Ready] = []
    told: Told | None = None
    has_snapshot = False
    for step in story.steps:
        if isinstance(step.act, Install):
            told = told_by(step.act, profile)
        assert told is not None
        if isinstance(step.act, LoadSnapshot) and not has_snapshot:
            raise StoryError(f"{step.place}: no snapshot was taken before")
        has_snapshot |= isinstance(step.act, TakeSnapshot)
        ready.append(_ready(step, told))
    return tuple(ready)


def told_by(act: Install, profile: Profile) -> Told:
    """The module of an installation. Raises `StoryError`."""
    try:
        raw_module = act.module.read_bytes()
    except OSError as problem:
        raise StoryError(f"{act.module}: {problem.strerror}") from None
    module = module_or_defect(profile, raw_module)
    if isinstance(module, MalformedModule):
        raise StoryError(f"{act.module}: {module.because}")
    if act.interface is not None:
        try:
            text = act.interface.read_text(encoding="utf-8")
        except OSError as problem:
            raise StoryError(f"{act.interface}: {problem.strerror}") from None
        except UnicodeDecodeError:
            raise StoryError(f"{act.interface}: the file is no UTF-8 text") from None
        return Told(raw_module, module, _interface(text, f"{act.interface}"), text)
    try:
        found = told_interface(module)
    except CandidTextError as problem:
        raise StoryError(f"{act.module}: {problem}") from None
    return Told(raw_module, module, None) if found is None else Told(raw_module, module, found.interface, found.text)


def _interface(text: Text, place: Text) -> Interface:
    try:
        return read_interface(text)
    except CandidTextError as problem:
        raise StoryError(f"{place}: {problem}") from None


def _ready(step: Step, told: Told) -> Ready:
    try:
        ready = Ready(step, sender_of(step), told)
        match step.act:
            case Install(argument=argument):
                return evolve(ready, argument=_argument_of_installation(argument, told))
            case Invoke():
                return evolve(ready, argument=_argument_of_call(step, step.act, told))
        return ready
    except CandidTextError as problem:
        raise StoryError(f"{step.place}: {problem}") from None


def _argument_of_installation(text: Text | None, told: Told) -> Blob:
    parameters = None if told.interface is None else told.interface.parameters
    try:
        return _message(text, parameters, told)
    except CandidTextError as problem:
        raise CandidTextError(f"{problem}" if text is None else f"init {text}: {problem}") from None


def _argument_of_call(step: Step, act: Invoke, told: Told) -> Blob:
    module = told.module
    queries = module.query_methods | module.composite_query_methods
    methods = queries if act.is_query else module.update_methods | module.query_methods
    if act.method not in methods and step.expected != REJECT:
        exported = ", ".join(sorted(each for each in methods if not each.startswith(INTERNAL))) or "none"
        kind = "queried" if act.is_query else "called"
        raise StoryError(f"{step.place}: no method {act.method!r} can be {kind} (there are: {exported})")
    function = None if told.interface is None else told.interface.methods.get(act.method)
    _require_readable(step, None if function is None else function.results, told)
    return _message(act.argument, None if function is None else function.parameters, told)


def _require_readable(step: Step, results: tuple[CandidType, ...] | None, told: Told) -> None:
    """What is expected can be a reply. Raises `CandidTextError`."""
    if step.expected in (None, REJECT):
        return
    if results is None or told.interface is None:
        message_of(step.expected or "")
    else:
        read_values(step.expected or "", results, told.interface.definitions)


def _message(text: Text | None, parameters: tuple[CandidType, ...] | None, told: Told) -> Blob:
    if text is None and parameters is None:
        return b""
    definitions = {} if told.interface is None else told.interface.definitions
    return message_of(text or "()", parameters, definitions)


def sender_of(step: Step) -> Principal:
    """A principal by its text, or a user by any name. Raises `StoryError`."""
    name = step.sender
    if name == "anonymous":
        return ANONYMOUS
    if PRINCIPAL.fullmatch(name):
        try:
            return principal_from_text(name)
        except ValueError as problem:
            raise StoryError(f"{step.place}: {problem}") from None
    return user(name)
