"""
The function that transforms the answer of an outcall, in other types than the one that the method is declared with.

The function here is a method of another canister: where its type fits, the call is rejected before it leaves the
subnet, and all its cycles come back. Where the type does not fit, the option that holds the function counts as not
given, so the call leaves the subnet and is paid for.
Source: Candid, subtyping of functions and of options.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import evolve

from conformance.canisters import ic0
from conformance.canisters.scripted import call, program, reply
from conformance.judging.patterns import replies, replies_with
from conformance.suite.candid_forms import PLAIN, Typed, typed
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.calls import amount
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.outside import FEE, HTTP, NOWHERE
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.candid import Func, Opt, Primitive, Record
from spec.values.candid.types import FunctionAnnotation
from spec.values.identifiers import Blob, CanisterId, Text

(PLAIN_ARGUMENT,) = typed(
    management.encode_arguments(evolve(HTTP, transform=management.HttpTransform(NOWHERE, "query")))
)

Change = Callable[[Any], Func]


def _parameter(change: Callable[[list[Any]], list[Any]]) -> Change:
    """The record that the function takes has other fields."""
    return lambda told: evolve(told, parameters=(Record(change(list(told.parameters[0].fields))), *told.parameters[1:]))


def _result(change: Callable[[list[Any]], list[Any]]) -> Change:
    """The record that the function gives has other fields."""
    return lambda told: evolve(told, results=(Record(change(list(told.results[0].fields))), *told.results[1:]))


OPTION: Final = Opt(Primitive.NAT)
A_NUMBER: Final = [(7, Primitive.NAT)]

FITTING: Final[Mapping[Text, Change]] = {
    "as it is declared": lambda told: told,
    "that takes fewer fields": _parameter(lambda fields: fields[1:]),
    "that takes one field more, an option": _parameter(lambda fields: [(7, OPTION), *fields]),
    "that takes nothing": lambda told: evolve(told, parameters=()),
    "that takes one argument more, an option": lambda told: evolve(told, parameters=(*told.parameters, OPTION)),
    "that gives one field more": _result(lambda fields: A_NUMBER + fields),
    "that gives one result more": lambda told: evolve(told, results=(*told.results, Primitive.NAT)),
}
"""Functions that may stand where the declared one is expected: they take no more than that, and give no less."""

OTHERWISE_CALLED: Final[Mapping[Text, Change]] = {
    "that is an update": lambda told: evolve(told, annotations=frozenset()),
    "that is a composite query": lambda told: evolve(told, annotations=frozenset({FunctionAnnotation.COMPOSITE_QUERY})),
    "that is a query and answers nobody": lambda told: evolve(
        told, annotations=told.annotations | {FunctionAnnotation.ONEWAY}
    ),
}
TAKING_MORE: Final[Mapping[Text, Change]] = {
    "that takes one field more": _parameter(lambda fields: A_NUMBER + fields),
    "that takes one argument more": lambda told: evolve(told, parameters=(*told.parameters, Primitive.NAT)),
    "that takes a number": lambda told: evolve(told, parameters=(Primitive.NAT,)),
}
GIVING_LESS: Final[Mapping[Text, Change]] = {
    "that gives fewer fields": _result(lambda fields: fields[:-1]),
    "that gives nothing": lambda told: evolve(told, results=()),
    "that gives a text": lambda told: evolve(told, results=(Primitive.TEXT,)),
}
"""Functions that may not."""

COVERS: Final = ("mgmt.http-request", "entry.transform", "mgmt-general.candid-interface")


def with_function(change: Change) -> Blob:
    """The argument of an outcall in which the function has another type."""

    def changed(candid_type: Any) -> Any:
        match candid_type:
            case Func():
                return change(candid_type)
            case Opt(content):
                return Opt(changed(content))
            case Record(fields):
                return Record([(label, changed(content)) for label, content in fields])
        return candid_type

    return PLAIN.message([Typed(changed(PLAIN_ARGUMENT.type), PLAIN_ARGUMENT.value)])


def outcall(stage: Stage, caller: CanisterId, argument: Blob) -> Any:
    """An outcall whose callback tells the cycles that came back."""
    tell = program(reply(ic0.msg_cycles_refunded128()))
    return stage.call(
        caller, program(call(b"", "http_request", argument, cycles=FEE, on_reply=tell, on_reject=tell)), "update"
    )


@scenario(
    "A function that takes no more and gives no less than is declared is taken for the transformation of an outcall",
    covers=COVERS,
)
def fitting(stage: Stage) -> None:
    # Given
    caller = scripted(stage)
    # Then
    for words, change in FITTING.items():
        with cell(f"a function {words}"):
            stage.expect(outcall(stage, caller, with_function(change)), replies_with(amount(FEE)))
    stage.balance(caller)


def _not_fitting(name: Text, what: Text, others: Mapping[Text, Change]) -> None:
    def script(stage: Stage) -> None:
        # Given
        caller = scripted(stage)
        # Then
        for words, change in others.items():
            with cell(f"a function {words}"):
                stage.expect(outcall(stage, caller, with_function(change)), replies())
        stage.balance(caller)

    script.__name__ = name
    scenario(f"A function that {what} than is declared counts as no transformation of an outcall", covers=COVERS)(
        script
    )


_not_fitting("other_annotations", "is called in another way", OTHERWISE_CALLED)
_not_fitting("more_parameters", "takes more", TAKING_MORE)
_not_fitting("fewer_results", "gives less", GIVING_LESS)
