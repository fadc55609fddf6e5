"""Implementations whose system says other things where it rejects, which code hears."""

from typing import Any

from attrs import evolve

import spec.reads.composite_query as composite_query
from conformance.judging.words import text_heard
from conformance.protocol.interface import Capability, Query, QueryAnswer
from conformance.served.specification import SpecificationImplementation
from conformance.tests.planted.choosing import Chooses, with_choices
from spec.rules.messages.callback_invocation import in_other_words, is_of_the_system
from spec.state.label import Label
from spec.state.message import CallbackInvocation, ResponseMessage
from spec.state.state import State
from spec.transition import Step
from spec.values.rejects import Reject, RejectCode, Response


class SaysSomethingElse(Chooses):
    """Code hears other texts where the system rejects its calls."""

    def words(self, said: str) -> str:
        """What is said in place of a text."""
        return f"IC0503: {said.upper()}"

    def other(self, label: Label, fired: Step) -> Label | None:
        if text_heard(self.current, label) is None:
            return None
        message = self.current.messages[label.arguments()["message_id"]]
        assert isinstance(message, ResponseMessage) and isinstance(message.response, Reject)
        return with_choices(label, reject_message=self.words(message.response.message))

    def query(self, query: Query, effective_id: bytes) -> QueryAnswer:  # type: ignore[override]
        run_callback = composite_query.run_callback

        def changed(evaluation: Any, call: Any, response: Response) -> Any:
            return run_callback(evaluation, call, self.heard(response))

        composite_query.run_callback = changed
        try:
            return super().query(query, effective_id)  # type: ignore[arg-type]
        finally:
            composite_query.run_callback = run_callback

    def heard(self, response: Response) -> Response:
        """What a callback of a query hears."""
        if not isinstance(response, Reject) or not is_of_the_system(response):
            return response
        return in_other_words(response, self.words(response.message))


class SaysNothing(SaysSomethingElse):
    """The texts of the system are empty."""

    def words(self, said: str) -> str:
        return ""


class SaysHalf(SaysSomethingElse):
    """Each text is half as long."""

    def words(self, said: str) -> str:
        return said[::2]


class TellsWhatItSays(SaysSomethingElse):
    """It says other things, and explains which."""

    capabilities = SpecificationImplementation.capabilities - {Capability.SCHEDULE}


class ClaimsTheUsualText(TellsWhatItSays):
    """It says other things, and explains that it says what the specification says."""

    def explain(self) -> list[Any]:  # type: ignore[override]
        return [
            evolve(claim, label=Label(claim.label.rule, {"message_id": claim.label.arguments()["message_id"]}))
            if claim.label.rule == "callback_invocation"
            else claim
            for claim in super().explain()
        ]


class ChangesWhatCanistersHear(SaysSomethingElse):
    """The texts of canisters are not those that they gave either."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule != "callback_invocation":
            return state
        message_id = label.arguments()["message_id"]
        message = state.messages[message_id]
        entry_point = message.entry_point
        if not isinstance(entry_point, CallbackInvocation) or not isinstance(entry_point.response, Reject):
            return state
        heard = evolve(entry_point, response=in_other_words(entry_point.response, entry_point.response.message + "."))
        return evolve(state, messages=state.messages.replace(message_id, evolve(message, entry_point=heard)))

    def heard(self, response: Response) -> Response:
        return in_other_words(response, response.message + ".") if isinstance(response, Reject) else response


class SaysItWithAnotherCode(SaysSomethingElse):
    """Code hears another code, too, where the text of the interface specification names one."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if text_heard(self.current, label) is None:
            return state
        message_id = label.arguments()["message_id"]
        message = state.messages[message_id]
        entry_point = message.entry_point
        assert isinstance(entry_point, CallbackInvocation)
        heard = evolve(entry_point, response=with_code(entry_point.response))
        return evolve(state, messages=state.messages.replace(message_id, evolve(message, entry_point=heard)))

    def heard(self, response: Response) -> Response:
        return with_code(super().heard(response))


def with_code(response: Response) -> Response:
    """The same reject as one by the canister."""
    return evolve(response, code=RejectCode.CANISTER_REJECT) if isinstance(response, Reject) else response
