"""Which rules a failure is about."""

import pytest

from conformance.judging.concerning import rules_about_outputs
from conformance.judging.verdicts import Fail
from conformance.protocol.interface import Answer, Replied
from conformance.running.case import Manner
from conformance.running.run import judge
from conformance.served.specification import SpecificationImplementation
from conformance.suite.loading import all_scenarios
from spec.rules.tests.worlds import a_request, world
from spec.state import request as requests
from spec.state.request import KnownRequest, Processing
from spec.transition import RequestStatusChanged
from spec.values.containers import Map
from spec.values.identifiers import MANAGEMENT_CANISTER, RequestId


class AnswersOneMethodWrongly(SpecificationImplementation):
    """Tells another reply of one method than its steps give."""

    def __init__(self, method_name: str) -> None:
        super().__init__()
        self.method_name = method_name

    def answer(self, request_id: RequestId) -> Answer:
        seen = super().answer(request_id)
        is_meant = (
            isinstance(seen, Replied) and self.current.requests[request_id].request.method_name == self.method_name
        )
        return Replied(b"wrong") if is_meant else seen


@pytest.mark.parametrize("black_box", [False, True])
@pytest.mark.parametrize(
    ("method_name", "rule"), [("canister_status", "canister_status"), ("update", "message_execution")]
)
def test_a_wrong_answer_is_about_the_rule_that_makes_it(method_name: str, rule: str, black_box: bool) -> None:
    """And not about the one that hands it to the user."""
    name = "lifecycle/stop_and_start" if method_name == "canister_status" else "requests/a_canister_answers"
    (chosen,) = [each for each in all_scenarios() if each.id == name]
    verdict = judge(chosen, AnswersOneMethodWrongly(method_name), Manner(black_box=black_box)).verdict
    assert isinstance(verdict, Fail)
    assert verdict.rules == (rule,)


def test_a_step_that_shows_another_answer_is_about_what_answers_and_what_hands_it_on() -> None:
    """One that shows something else is about its own rule alone."""
    request = a_request(canister_id=MANAGEMENT_CANISTER, method_name="raw_rand")
    state = world(requests=Map.of([(b"r", KnownRequest(request, MANAGEMENT_CANISTER, Processing()))]))
    one, other = (RequestStatusChanged(RequestId(b"r"), requests.Replied(data)) for data in (b"1", b"2"))
    assert rules_about_outputs(state, "respond_to_user", [one], [other]) == ("raw_rand", "respond_to_user")
    assert rules_about_outputs(state, "respond_to_user", [one], []) == ("respond_to_user",)
