"""Which rules a failure is about: those that make the answer to a request, not those that only hand it on."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from spec.rules.management.rejection import METHODS
from spec.state.request import Rejected, Replied, Request
from spec.state.state import State
from spec.transition import Output, RequestStatusChanged
from spec.values.identifiers import MANAGEMENT_CANISTER, RequestId, Text

EXECUTION: Final = "message_execution"
"""The rule in which a canister answers."""


def rules_answering(request: Request) -> tuple[Text, ...]:
    """The rules that make the answer to a request: those of the method of the management canister, or execution."""
    if request.canister_id != MANAGEMENT_CANISTER:
        return (EXECUTION,)
    return tuple(rule.name for rule in METHODS.get(request.method_name, ())) or ("management_call_rejection",)


def rules_about(requests: Iterable[Request]) -> tuple[Text, ...]:
    """The same of several requests, each rule once."""
    return tuple(dict.fromkeys(rule for request in requests for rule in rules_answering(request)))


def rules_about_outputs(
    state: State, rule: Text, allowed: Iterable[Output], seen: Iterable[Output]
) -> tuple[Text, ...]:
    """What a step with other outputs is about: its own rule, or what answers the request that got another answer."""
    first, second = answers_in(allowed), answers_in(seen)
    answered = [
        state.requests[request_id].request
        for request_id, answer in first.items()
        if request_id in state.requests and request_id in second and second[request_id] != answer
    ]
    return tuple(dict.fromkeys([*rules_about(answered), rule]))


def answers_in(outputs: Iterable[Output]) -> Mapping[RequestId, Replied | Rejected]:
    """The answers that a step shows."""
    return dict(_answers(outputs))


def _answers(outputs: Iterable[Output]) -> Iterator[tuple[RequestId, Replied | Rejected]]:
    for output in outputs:
        if isinstance(output, RequestStatusChanged) and isinstance(output.status, Replied | Rejected):
            yield output.request_id, output.status
