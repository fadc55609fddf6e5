"""The machine: what is enabled, what a step does, and how a schedule runs."""

from itertools import product

import pytest
from attrs import evolve, fields

from spec.machine import (
    OUTSIDE,
    SPONTANEOUS,
    candidates,
    canonical_label,
    choices_of,
    enabled,
    free_variables,
    initial_state,
    naturals_among,
    run,
    step,
    submission_label,
    values_of,
)
from spec.rules.tests.worlds import (
    NOW,
    PROFILE,
    SUBNET,
    A,
    B,
    C,
    a_call,
    a_context,
    a_request,
    a_user_call,
    asked,
    canister,
    code,
    contexts,
    execution,
    from_canister,
    managing,
    module,
    received,
    returns,
    world,
)
from spec.state.canister import Empty, HookStatus, StopCall, Stopped, Stopping
from spec.state.label import Label
from spec.state.message import Between, ResponseMessage
from spec.state.request import Processing, Replied
from spec.state.state import State
from spec.transition import RULES, NotEnabled, RequestStatusChanged, Rule, Step
from spec.values import management
from spec.values.containers import List, Map, Queue
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.rejects import RejectCode, Reply

REQUEST = a_request()
REQUEST_ID, KNOWN = received(REQUEST)


def answering():
    """A canister that replies to `go`."""
    return canister(A, code(A, module(gives={"update go": returns(response=Reply(b"data")), "heartbeat": returns()})))


def worlds():
    """States in which very different things may happen."""
    open_contexts = contexts(a_context(C), a_context(A, from_canister(0), needs_to_respond=False))
    waiting = Stopping(List.of(StopCall(from_canister(), 1), StopCall(from_canister(), 2)))
    fresh = management.ProvisionalCreateArguments(specified_id=A)
    return {
        "nothing": world(),
        "a request": world((A, answering()), requests=Map.of([(REQUEST_ID, KNOWN)])),
        "an answered request": world(requests=Map.of([(REQUEST_ID, evolve(KNOWN, status=Replied(b"")))])),
        "a user's call": world((A, answering()), messages=(a_user_call(REQUEST),)),
        "a call to nobody": world((A, answering()), messages=(a_call(), a_call()), call_contexts=open_contexts),
        "a response": world(
            (A, answering()), messages=(ResponseMessage(from_canister(1), Reply(b""), 0),), call_contexts=open_contexts
        ),
        "an execution": world((A, answering()), messages=(execution(),), call_contexts=contexts(a_context())),
        "a stopping canister": world((A, canister(A, status=waiting)), call_contexts=contexts(a_context(C))),
        "a stopped canister": world((A, canister(A, status=Stopped())), messages=(a_user_call(REQUEST),)),
        "an empty canister": world((A, canister(A, Empty())), messages=(a_user_call(REQUEST),)),
        "a creation": managing(call=asked(fresh)),
        "a start": managing((A, answering()), call=asked(management.CanisterIdArguments(A), "start_canister")),
        "random bytes": managing(call=asked(management.RawRandArguments())),
    }


NAMES = list(worlds())

HOOK, TIMER = "on_low_wasm_memory_context_creation", "global_timer_context_creation"


@pytest.mark.checklist("def.initial-state", "inv.time.monotone", "unspec.const.root-subnet")
def test_in_the_beginning_there_is_nothing_but_a_time_and_a_key():
    state = initial_state(PROFILE, SUBNET, NOW, b"key")
    given = {"profile": PROFILE, "root_key": b"key", "system_time": NOW, "subnet": SUBNET}
    rest = {one.name: getattr(state, one.name) for one in fields(State) if one.name not in given}
    assert state == State(**given)
    assert {name: value for name, value in rest.items() if value not in (Map(), List(), Queue())} == {}
    assert {label.rule for label in enabled(state, spontaneous=True)} == {
        "subnet_admins_change",
        "system_time_progress",
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_candidate_is_listed_as_enabled_exactly_if_its_step_fires(name):
    state = worlds()[name]
    fires = [label for rule in RULES.values() if rule.name not in OUTSIDE for label in candidates(state, rule)]
    fires = [label for label in fires if isinstance(step(state, label), Step)]
    listed = enabled(state, spontaneous=True)
    assert listed == fires
    assert len(listed) == len(set(listed))


@pytest.mark.checklist("unspec.spont.request-loss")
@pytest.mark.parametrize("name", NAMES)
def test_labels_of_users_and_spontaneous_ones_are_listed_only_if_asked_for(name):
    state = worlds()[name]
    expected = [label for label in enabled(state, spontaneous=True) if label.rule not in SPONTANEOUS | OUTSIDE]
    assert enabled(state) == expected


@pytest.mark.checklist("unspec.order.enabled-rules", "unspec.env.statuses-hidden")
@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("nothing", {"system_time_progress"}),
        ("a request", {"initiate_call", "request_rejection", "heartbeat_context_creation"}),
        ("an answered request", {"request_done"}),
        ("a user's call", {"call_context_creation", "spontaneous_call_rejection"}),
        ("a call to nobody", {"reject_call_to_missing_canister", "call_context_removal"}),
        ("a response", {"callback_invocation"}),
        ("an execution", {"message_execution"}),
        ("a stopping canister", {"stop_completion", "stop_call_rejection"}),
        ("a stopped canister", {"reject_call_to_stopped_canister"}),
        ("an empty canister", {"reject_call_to_empty_canister"}),
        ("a creation", {"provisional_create_canister_with_cycles"}),
        ("a start", {"start_canister"}),
        ("random bytes", {"raw_rand"}),
    ],
)
def test_what_may_happen_is_listed(name, rules):
    assert rules <= {label.rule for label in enabled(worlds()[name], spontaneous=True)}


@pytest.mark.checklist("inv.func-message-transient")
def test_while_an_execution_waits_nothing_else_is_listed():
    assert enabled(worlds()["an execution"], spontaneous=True) == [Label("message_execution", {"message_id": 0})]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("random bytes", Label("raw_rand", {"message_id": 0, "randomness": b"x" * 32})),
        ("nothing", Label("system_time_progress", {"time": NOW * 7})),
        ("a user's call", Label("call_context_creation", {"message_id": 0, "context_id": 77})),
    ],
)
def test_for_a_choice_among_infinitely_many_one_stands_for_all(name, label):
    state = worlds()[name]
    assert isinstance(step(state, label), Step)
    assert label.rule in {one.rule for one in enabled(state, spontaneous=True)}


def test_a_creation_may_get_the_id_that_it_asks_for_even_if_another_one_comes_first():
    asking = managing(call=asked(management.ProvisionalCreateArguments(specified_id=B)))
    created = [label.arguments()["canister_id"] for label in enabled(asking) if label.rule.startswith("provisional")]
    assert created == [B]


def test_labels_that_make_no_sense_are_mistakes_of_the_caller():
    with pytest.raises(ValueError, match="no rule is named 'no_such_rule'"):
        step(world(), Label("no_such_rule"))
    with pytest.raises(ValueError, match="initiate_call has the free variables"):
        step(world(), Label("initiate_call", {"message_id": 0}))


def a_rule_with_a_default(
    state: State, *, time: int, code: RejectCode = RejectCode.SYS_FATAL, is_told: bool = False
) -> Step:
    """Shows its choices by the system time."""
    return Step(evolve(state, system_time=time + 10 * code + is_told))


@pytest.fixture
def rule_with_defaults(monkeypatch):
    """A rule of its own, for the time of a test."""
    rule = Rule("a_rule_with_a_default", "A title", "ours#nothing", a_rule_with_a_default, False)
    monkeypatch.setitem(RULES, rule.name, rule)
    return rule


def test_a_label_may_omit_what_has_a_default(rule_with_defaults):
    def time_after(**choices):
        return step(worlds()["nothing"], Label(rule_with_defaults.name, choices)).state.system_time

    assert time_after(time=100) == time_after(time=100, code=1, is_told=False) == 110
    assert time_after(time=100, code=2) == 120
    assert time_after(time=100, is_told=True) == 111
    with pytest.raises(ValueError, match="has the free variables"):
        time_after(code=2)


def test_labels_that_mean_the_same_have_one_canonical_form(rule_with_defaults):
    omitting, spelled_out = (
        Label(rule_with_defaults.name, {"time": 100} | others)
        for others in ({}, {"code": RejectCode.SYS_FATAL, "is_told": False})
    )
    assert canonical_label(spelled_out) == canonical_label(omitting) == omitting
    different = Label(rule_with_defaults.name, {"time": 100, "is_told": True})
    assert canonical_label(different) == different
    assert choices_of(omitting) == spelled_out.arguments()


def test_candidates_omit_what_has_its_default_and_list_every_other_value(rule_with_defaults):
    listed = list(candidates(worlds()["nothing"], rule_with_defaults))
    assert [label.arguments().get("code", "omitted") for label in listed] == ["omitted", 2, 3, 4, 5, 6]
    assert {label.arguments().get("is_told", "omitted") for label in listed} == {"omitted"}


def test_a_reject_code_may_be_given_as_its_number():
    state = worlds()["a request"]
    request_id = next(iter(state.requests.keys()))
    by_number, by_name = (
        step(state, Label("request_rejection", {"request_id": request_id, "code": code}))
        for code in (2, RejectCode.SYS_TRANSIENT)
    )
    assert isinstance(by_number, Step)
    assert by_number == by_name
    assert isinstance(by_number.state.requests[request_id].status.reject.code, RejectCode)
    for none in (0, 7, "SYS_FATAL"):
        with pytest.raises(ValueError, match="is not a valid RejectCode"):
            step(state, Label("request_rejection", {"request_id": request_id, "code": none}))


@pytest.mark.parametrize("wrong", [-1, True, 1.0, "1", None])
def test_what_is_no_natural_number_is_refused_where_a_rule_has_one(wrong):
    """Whatever the conditions of the rule are: proofs take it for one."""
    state, refused = worlds()["a request"], 0
    for name, rule in RULES.items():
        for variable, _ in naturals_among(rule.body):
            label = Label(name, dict.fromkeys(free_variables(rule.body), 1) | {"code": 2, variable: wrong})
            choices = {each: value for each, value in label.arguments().items() if each in free_variables(rule.body)}
            with pytest.raises(ValueError, match="is a number of"):
                step(state, Label(name, choices))
            refused += 1
    assert refused == 12


def test_a_schedule_runs_until_a_label_is_not_enabled():
    state = worlds()["a request"]
    labels = [
        Label("initiate_call", {"request_id": REQUEST_ID}),
        Label("call_context_creation", {"message_id": 0, "context_id": 0}),
        Label("initiate_call", {"request_id": REQUEST_ID}),
        Label("message_execution", {"message_id": 0}),
    ]
    result = run(state, labels)
    assert (result.taken, result.outputs) == (2, (RequestStatusChanged(REQUEST_ID, Processing()),))
    assert result.stopped == NotEnabled("no created call context waits for its execution")
    finished = run(result.state, labels[3:] + [Label("respond_to_user", {"message_id": 1})])
    assert (finished.taken, finished.stopped) == (2, None)
    assert finished.state.requests[REQUEST_ID].status == Replied(b"data")


def test_a_request_is_submitted_to_whom_it_is_addressed():
    to_management = a_request(MANAGEMENT_CANISTER)
    assert submission_label(REQUEST, A) == Label("submit_request", {"request": REQUEST, "effective_id": A})
    assert submission_label(to_management, A).rule == "submit_management_request"


@pytest.mark.parametrize("name", NAMES)
def test_a_step_is_a_function_of_state_and_label(name):
    state = worlds()[name]
    equal = evolve(state)
    for label in enabled(state, spontaneous=True):
        assert step(state, label) == step(equal, label)


def test_a_step_that_several_ask_for_is_computed_once(monkeypatch):
    right, computed = RULES["initiate_call"], []

    def counting(state, *, request_id):
        computed.append(request_id)
        return right.body(state, request_id=request_id)

    counting.__annotations__ = right.body.__annotations__
    monkeypatch.setitem(RULES, "initiate_call", Rule(right.name, right.title, right.source, counting, False))
    state, label = worlds()["a request"], Label("initiate_call", {"request_id": REQUEST_ID})
    assert step(state, label) is step(state, Label("initiate_call", {"request_id": REQUEST_ID}))
    assert enabled(state)[0] == label
    assert computed == [REQUEST_ID]
    step(evolve(state), label)
    assert computed == [REQUEST_ID, REQUEST_ID]


ORDERED = Between(A, B)


def a_crowd():
    """A state with messages of every kind, several calls in one queue, and none about to run."""
    answered = ResponseMessage(from_canister(1), Reply(b""), 0)
    calls = [a_call(queue=ORDERED), a_call(queue=ORDERED), a_call(C), a_user_call(REQUEST), answered, answered]
    managed = asked(management.CanisterIdArguments(A), "start_canister")
    return world((A, answering()), messages=(*calls, managed), call_contexts=contexts(a_context(A), a_context(C)))


@pytest.mark.parametrize("state", [a_crowd(), *worlds().values()])
def test_a_rule_that_is_not_asked_of_a_message_does_not_handle_it(state):
    for name, rule in RULES.items():
        variables = dict(free_variables(rule.body))
        if variables.pop("message_id", None) is not None:
            others = [(variable, list(values_of(state, rule, variable, kind))) for variable, kind in variables.items()]
            choices = {variable: values[0] for variable, values in others if values}
            listed = {label.arguments()["message_id"] for label in candidates(state, rule)}
            left_out = [Label(name, {**choices, "message_id": one}) for one in set(state.messages.ids()) - listed]
            assert not any(isinstance(step(state, label), Step) for label in left_out), name


@pytest.mark.parametrize(("rule_name", "possible"), [(HOOK, 2), (TIMER, 1)])
def test_a_rule_is_asked_of_every_canister_that_it_can_be_taken_of(rule_name, possible):
    """Of canisters with each status of the hook, and with a timer that is due, set, or not set."""
    installed = module(gives={"global_timer": returns(), "on_low_wasm_memory": returns()})
    states = [
        world((A, canister(A, code(A, installed), low_memory_hook=status, global_timer=timer)))
        for status, timer in [*product(HookStatus, (0, NOW + 1)), (HookStatus.EXECUTED, 1)]
    ]
    every = [Label(rule_name, {"canister_id": A, "context_id": 0})]
    fires = [[label for label in every if isinstance(step(state, label), Step)] for state in states]
    tried = [list(candidates(state, RULES[rule_name])) for state in states]
    assert sum(map(len, fires)) == possible
    assert all(label in labels for labels, fired in zip(tried, fires, strict=True) for label in fired)
    assert sum(map(len, tried)) < len(states)


def test_of_a_queue_only_the_oldest_call_is_tried():
    rule = RULES["reject_call_to_missing_canister"]
    tried = {label.arguments()["message_id"] for label in candidates(a_crowd(), rule)}
    assert tried == {0, 2, 3}


def test_codes_of_rejections_are_chosen_freely():
    codes = [
        label.arguments()["code"]
        for label in enabled(worlds()["a request"], spontaneous=True)
        if label.rule == "request_rejection"
    ]
    assert codes == [RejectCode.SYS_FATAL, RejectCode.SYS_TRANSIENT]
