"""Composite queries and the calls that they make."""

import pytest
from attrs import evolve

from spec.canister.environment import Caller
from spec.canister.outcome import Callback, Closure, MethodCall, Trapped, TrapReason
from spec.reads.answers import QueryResponse, QueryStatistic
from spec.reads.query import query
from spec.rules.tests.worlds import (
    FAKES,
    NOW,
    PROFILE,
    USER,
    A,
    B,
    C,
    a_request,
    canister,
    code,
    module,
    returns,
    traps,
    world,
)
from spec.state.canister import Stopped, Subnet
from spec.values import management
from spec.values.containers import List, Map
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply, system_reject

PRICE = PROFILE.limits.query_call_instructions
BUDGET = PROFILE.limits.query_call_graph_instructions
HEAP = b"heap"


def calling(callee=B, method_name="ask", callback=1, argument=b"argument"):
    """A call whose callback is known by a number."""
    closure = Closure(callback, 0)
    return MethodCall(callee, method_name, argument, 0, Callback(closure, closure), 0)


def composite(gives, **rest):
    """A module whose method `ask` is a composite query."""
    return module(gives=gives, composite_query_methods=frozenset({"ask"}), **rest)


def installed(**modules):
    """A state with canisters A, B, C that have these modules."""
    ids = {"a": A, "b": B, "c": C}
    return world(*((ids[name], canister(ids[name], code(ids[name], raw))) for name, raw in modules.items()))


def asking(state, order=(), **changes):
    return query(state, a_request(A, "ask", b"question", **changes), A, order=order)


def failing(reason, detail=""):
    return system_reject(RejectCode.CANISTER_ERROR, reason, detail)


OWN = Reject(RejectCode.CANISTER_REJECT, "no, thanks")
ANSWERS = {"query ask": returns(500, response=Reply(b"from the callee"))}


@pytest.mark.checklist("rule.query.composite-calls", "rule.query.composite-callbacks", "entry.composite-query")
def test_a_composite_query_calls_a_query_and_its_callback_responds():
    asks = composite(
        {
            "composite_query ask": returns(1_000, HEAP, new_calls=List.of(calling())),
            "callback 1": returns(300, response=Reply(b"done")),
        }
    )
    answers = module(gives=ANSWERS)
    state = installed(a=asks, b=answers)
    before = state
    answer = asking(state)
    assert answer == QueryResponse(
        Reply(b"done"),
        1_000 + PRICE + 500 + 300,
        List.of(QueryStatistic(B, NOW, 500, 8, 15), QueryStatistic(A, NOW, 1_300, 8, 4)),
        turns=(1,),
    )
    assert state == before
    ((_, at_callee),) = FAKES[answers].seen
    assert (at_callee["caller"], at_callee["argument"]) == (Caller(A), b"argument")
    (_, in_callback) = FAKES[asks].seen[1]
    assert (in_callback["response"], in_callback["caller"]) == (Reply(b"from the callee"), Caller(USER))
    assert in_callback["wasm_state"].wasm_memory.read(0, 4) == HEAP


@pytest.mark.checklist("rule.query.certificate", "entry.composite-callbacks", "api.data-certificate-present")
def test_only_the_method_of_the_canister_that_the_user_called_sees_a_certificate():
    asks = composite({"composite_query ask": returns(new_calls=List.of(calling())), "callback 1": returns()})
    answers = module(gives=ANSWERS)
    query(installed(a=asks, b=answers), a_request(A, "ask"), A, b"certificate")
    seen = [arguments["environment"] for raw in (asks, answers) for _, arguments in FAKES[raw].seen]
    assert [one.certificate for one in seen] == [b"certificate", None, None]
    assert not any(one.replicated for one in seen)


@pytest.mark.checklist("rule.query.composite-callbacks", "unspec.order.composite-calls")
def test_callbacks_run_one_after_the_other_on_the_latest_state_until_one_responds():
    asks = composite(
        {
            "composite_query ask": returns(100, b"first", new_calls=List.of(calling(callback=1), calling(callback=2))),
            "callback 1": returns(10, b"second", new_calls=List.of(calling(callback=3))),
            "callback 2": returns(20, b"third"),
            "callback 3": returns(30, response=Reply(b"done")),
        }
    )
    answer = asking(installed(a=asks, b=module(gives=ANSWERS)))
    assert answer.response == Reply(b"done")
    seen = [(name, given["wasm_state"].wasm_memory.read(0, 6)) for name, given in FAKES[asks].seen[1:]]
    assert seen == [("callback 1", b"first\0"), ("callback 2", b"second"), ("callback 3", b"third\0")]
    used = [given["environment"].call_context_instructions for _, given in FAKES[asks].seen]
    assert used == [0, 100, 110, 130]


@pytest.mark.checklist("unspec.order.composite-calls")
@pytest.mark.parametrize(
    ("order", "callbacks"), [((), "1234"), ((0, 0), "1234"), ((2,), "3124"), ((1, 1, 1), "2314"), ((0, 9), "1234")]
)
def test_any_open_call_may_be_made_next(order, callbacks):
    made = List.of(*[calling(callback=number) for number in (1, 2, 3)])
    asks = composite(
        {
            "composite_query ask": returns(new_calls=made),
            "callback 1": returns(new_calls=List.of(calling(callback=4))),
            **{f"callback {number}": returns() for number in (2, 3, 4)},
        }
    )
    asking(installed(a=asks, b=module(gives=ANSWERS)), order=order)
    assert [name for name, _ in FAKES[asks].seen[1:]] == [f"callback {number}" for number in callbacks]


@pytest.mark.checklist("unspec.order.composite-calls")
@pytest.mark.parametrize(
    ("order", "callbacks"), [((), "a1b"), ((0, 0, 1), "a1b"), ((1,), "b1a"), ((0, 1), "a2b"), ((1, 0, 1), "b2a")]
)
def test_the_calls_of_a_query_that_is_called_have_an_order_of_their_own(order, callbacks):
    """The numbers are of callbacks of the query that is called, which answers at the first one."""
    inner = composite(
        {
            "composite_query ask": returns(new_calls=List.of(*[calling(C, callback=number) for number in (1, 2)])),
            **{f"callback {number}": returns(response=Reply(b"%d" % number)) for number in (1, 2)},
        }
    )
    made = List.of(calling(B, callback=3), calling(callback=4, callee=C))
    asks = composite({"composite_query ask": returns(new_calls=made), "callback 3": returns(), "callback 4": returns()})
    answer = asking(installed(a=asks, b=inner, c=module(gives=ANSWERS)), order=order)
    assert answer.turns == ((2, 2, 1) if callbacks.startswith("a") else (2, 1, 2))
    ran = {"callback 3": "a", "callback 4": "b"}
    outer = [ran[name] for name, _ in FAKES[asks].seen[1:]]
    (number,) = [name[-1] for name, _ in FAKES[inner].seen[1:]]
    assert outer[0] + number + outer[1] == callbacks


@pytest.mark.checklist("unspec.value.reject-messages")
@pytest.mark.parametrize(
    ("answer", "heard"),
    [
        (traps(message="ouch"), failing(RejectReason.CANISTER_TRAPPED, "ouch in other words")),
        (returns(response=OWN), OWN),
        (returns(response=Reply(b"data")), Reply(b"data")),
    ],
)
def test_a_callback_may_hear_any_text_where_the_system_rejects_its_call(answer, heard):
    callback = returns(response=Reply(b""))
    asks = composite({"composite_query ask": returns(new_calls=List.of(calling())), "callback 1": callback})
    state = installed(a=asks, b=module(gives={"query ask": answer}))
    query(state, a_request(A, "ask", b"question"), A, wording=lambda usual: f"{usual} in other words")
    assert FAKES[asks].seen[1][1]["response"] == heard


@pytest.mark.checklist("rule.query.method-execution", "rule.query.composite-calls")
def test_calls_are_not_made_after_a_response():
    answers = module(gives=ANSWERS)
    asks = composite({"composite_query ask": returns(response=Reply(b"at once"), new_calls=List.of(calling()))})
    assert asking(installed(a=asks, b=answers)).response == Reply(b"at once")
    assert FAKES[answers].seen == []


@pytest.mark.checklist("rule.query.composite-calls")
def test_a_composite_query_without_open_calls_and_response_is_rejected():
    asks = composite({"composite_query ask": returns(new_calls=List.of(calling())), "callback 1": returns()})
    answer = asking(installed(a=asks, b=module(gives=ANSWERS)))
    assert answer.response == failing(RejectReason.CANISTER_DID_NOT_RESPOND)


@pytest.mark.checklist("rule.query.composite-callbacks", "rule.query.method-execution")
@pytest.mark.parametrize("place", ["composite_query ask", "callback 1"])
def test_a_trap_in_method_or_callback_fails_the_query(place):
    gives = {"composite_query ask": returns(new_calls=List.of(calling())), "callback 1": returns()}
    asks = composite(gives | {place: traps(700, message="ouch")})
    answer = asking(installed(a=asks, b=module(gives=ANSWERS)))
    assert answer.response == failing(RejectReason.CANISTER_TRAPPED, "ouch")


@pytest.mark.checklist("rule.query.composite-callbacks", "entry.composite-callbacks")
def test_after_a_trap_that_was_cleaned_up_other_calls_go_on():
    trap = Trapped(5, TrapReason.TRAPPED, "ouch")
    gives = {
        "composite_query ask": returns(new_calls=List.of(calling(callback=1), calling(callback=2))),
        "callback 1": returns(cleaned_up_after=trap),
        "callback 2": returns(response=Reply(b"still")),
    }
    answers = module(gives=ANSWERS)
    assert asking(installed(a=composite(gives), b=answers)).response == Reply(b"still")
    alone = composite(gives | {"composite_query ask": returns(new_calls=List.of(calling(callback=1)))})
    assert asking(installed(a=alone, b=answers)).response == failing(RejectReason.CANISTER_TRAPPED, "ouch")


@pytest.mark.checklist("rule.query.composite-calls", "rule.query.preconditions", "inv.composite-not-replicated")
@pytest.mark.parametrize(
    ("call", "code_of_reject", "reason"),
    [
        (calling(C), RejectCode.DESTINATION_INVALID, RejectReason.CANISTER_NOT_FOUND),
        (calling(method_name="update"), RejectCode.CANISTER_ERROR, RejectReason.METHOD_NOT_FOUND),
    ],
)
def test_a_call_that_cannot_be_made_is_rejected_to_the_callback(call, code_of_reject, reason):
    asks = composite(
        {"composite_query ask": returns(new_calls=List.of(call)), "callback 1": returns(response=Reply(b"saw it"))}
    )
    callee = module(gives={"update update": returns()})
    assert asking(installed(a=asks, b=callee)).response == Reply(b"saw it")
    assert FAKES[asks].seen[1][1]["response"] == system_reject(code_of_reject, reason)


@pytest.mark.checklist("rule.query.composite-calls", "unspec.const.max-call-depth-composite-query")
@pytest.mark.parametrize(
    "depth",
    [
        0,
        1,
        3,
        pytest.param(
            PROFILE.limits.query_call_depth,
            marks=pytest.mark.checklist("prod.query_handler.composite_query_callgraph_depth_is_enforced"),
        ),
    ],
)
def test_calls_nest_as_deep_as_the_limit_says(depth):
    # Given a canister that calls itself for ever
    asks = composite(
        {
            "composite_query ask": returns(new_calls=List.of(calling(A))),
            "callback 1": returns(response=Reply(b"deep")),
        }
    )
    state = installed(a=asks)
    limits = evolve(PROFILE.limits, query_call_depth=depth)
    # When
    answer = asking(evolve(state, profile=evolve(PROFILE, limits=limits)))
    # Then the deepest one fails, and the callback of its caller sees it
    assert PROFILE.limits.query_call_depth == 6, "in production"
    names = [name for name, _ in FAKES[asks].seen]
    assert names == ["composite_query ask"] * (depth + 1) + ["callback 1"] * depth
    too_deep = failing(RejectReason.QUERY_CALLS_TOO_DEEP)
    assert answer.response == (Reply(b"deep") if depth else too_deep)
    assert [given["response"] for _, given in FAKES[asks].seen[depth + 1 :]] == [too_deep, *[Reply(b"deep")] * depth][
        :depth
    ]


@pytest.mark.checklist("rule.query.composite-calls", "def.effective-canister-id")
def test_a_call_to_another_subnet_fails_the_whole_query():
    asks = composite({"composite_query ask": returns(new_calls=List.of(calling())), "callback 1": returns()})
    state = installed(a=asks, b=module(gives=ANSWERS))
    elsewhere = evolve(state.canisters[B], subnet=Subnet(Principal(b"elsewhere"), 13))
    answer = asking(evolve(state, canisters=state.canisters.set(B, elsewhere)))
    assert answer.response == failing(RejectReason.DIFFERENT_SUBNETS)
    assert [name for name, _ in FAKES[asks].seen] == ["composite_query ask"]


@pytest.mark.checklist("rule.query.composite-callbacks", "unspec.const.max-cycles-per-query", "http.query.limits")
def test_all_executions_of_a_query_share_one_budget():
    asks = composite(
        {
            "composite_query ask": returns(1_000, new_calls=List.of(calling())),
            "callback 1": returns(300, response=Reply(b"done")),
        }
    )
    state = installed(a=asks, b=module(gives=ANSWERS))

    def with_budget(budget):
        limits = evolve(PROFILE.limits, query_call_graph_instructions=budget)
        answer = asking(evolve(state, profile=evolve(PROFILE, limits=limits)))
        return answer.response, answer.instructions

    whole = 1_000 + PRICE + 500 + 300
    exceeded = failing(RejectReason.INSTRUCTION_LIMIT_EXCEEDED)
    assert with_budget(whole) == (Reply(b"done"), whole)
    assert with_budget(whole - 1) == (exceeded, whole - 1)
    assert with_budget(1_000 + PRICE + 500) == (exceeded, 1_000 + PRICE + 500)
    # Nothing is left for the callee, which is told so, nor for the callback.
    assert with_budget(1_000 + PRICE) == (exceeded, 1_000 + PRICE)
    assert with_budget(999) == (exceeded, 999)
    assert with_budget(0) == (exceeded, 0)


@pytest.mark.checklist("rule.query.method-execution", "rule.query.composite-callbacks")
def test_one_execution_is_bounded_also_if_the_budget_is_larger():
    limits = evolve(PROFILE.limits, query_call_graph_instructions=10 * BUDGET)
    asks = composite(
        {
            "composite_query ask": returns(1_000, new_calls=List.of(calling())),
            "callback 1": returns(BUDGET + 1, response=Reply(b"done")),
        }
    )
    state = evolve(installed(a=asks, b=module(gives=ANSWERS)), profile=evolve(PROFILE, limits=limits))
    answer = asking(state)
    assert answer.response == failing(RejectReason.INSTRUCTION_LIMIT_EXCEEDED)
    assert answer.instructions == 1_000 + PRICE + 500 + BUDGET
    assert [given["environment"].instruction_limit for _, given in FAKES[asks].seen] == [BUDGET, BUDGET]


# Calls to the management canister

ABOUT_A = management.encode_arguments(management.CanisterIdArguments(A))
ABOUT_B = management.encode_arguments(management.CanisterIdArguments(B))


def told(method_name, argument, state_of_b=None, metrics=None, administers=True, **settings):
    """What a composite query of A is told by the management canister."""
    asks = composite(
        {
            "composite_query ask": returns(new_calls=List.of(calling(MANAGEMENT_CANISTER, method_name, 1, argument))),
            "callback 1": returns(response=Reply(b"done")),
        }
    )
    others = () if state_of_b is None else ((B, state_of_b),)
    state = world((A, canister(A, code(A, asks), **settings)), *others)
    admins = Map.of([(state.subnet.subnet_id, List.of(A) if administers else List())])
    answer = query(evolve(state, subnet_admins=admins), a_request(A, "ask"), A, metrics=metrics)
    assert answer.response == Reply(b"done")
    assert answer.instructions == 2_000 + PRICE
    return FAKES[asks].seen[1][1]["response"]


@pytest.mark.checklist(
    "rule.query.composite-management-calls",
    "unspec.value.composite-management-rejects",
    "prod.query_handler.composite_query_call_to_management_canister_charges_instructions",
    "prod.query_handler.composite_query_call_to_management_canister_canister_metrics",
    "prod.query_handler.composite_query_call_to_management_canister_list_canisters",
)
def test_a_composite_query_reads_status_metrics_logs_and_ids():
    status = management.decode_canister_status(told("canister_status", ABOUT_A).data)
    assert status.cycles == 10**15
    metrics = management.CyclesConsumed(memory=5)
    reply = told("canister_metrics", ABOUT_B, canister(B), Map.of([(B, metrics)]))
    assert management.decode_result("canister_metrics", reply.data) == metrics
    logs = told("fetch_canister_logs", ABOUT_B, canister(B, controllers=List.of(A)))
    assert management.decode_result("fetch_canister_logs", logs.data) == List()
    ids = told("list_canisters", b"DIDL\0\0", canister(B))
    expected = List.of(management.CanisterIdRange(A, B))
    assert management.decode_result("list_canisters", ids.data) == expected


@pytest.mark.checklist("rule.query.composite-management-calls", "mgmt-general.subnet-admins")
@pytest.mark.parametrize(
    ("method_name", "argument", "state_of_b", "code_of_reject", "reason"),
    [
        ("raw_rand", b"DIDL\0\0", None, RejectCode.CANISTER_ERROR, RejectReason.MANAGEMENT_METHOD_NOT_FOUND),
        ("start_canister", ABOUT_A, None, RejectCode.CANISTER_ERROR, RejectReason.MANAGEMENT_METHOD_NOT_FOUND),
        ("canister_status", b"junk", None, RejectCode.CANISTER_ERROR, RejectReason.INVALID_ARGUMENT),
        ("canister_status", ABOUT_B, None, RejectCode.DESTINATION_INVALID, RejectReason.CANISTER_NOT_FOUND),
        ("fetch_canister_logs", ABOUT_B, "plain", RejectCode.CANISTER_ERROR, RejectReason.NOT_AUTHORIZED),
        ("canister_status", ABOUT_B, "elsewhere", RejectCode.CANISTER_ERROR, RejectReason.DIFFERENT_SUBNETS),
    ],
)
def test_other_calls_to_the_management_canister_are_rejected(method_name, argument, state_of_b, code_of_reject, reason):
    others = {
        "plain": canister(B, status=Stopped()),
        "elsewhere": canister(B, controllers=List.of(A), subnet=Subnet(Principal(b"elsewhere"), 13)),
    }
    response = told(method_name, argument, others.get(state_of_b))
    assert response == system_reject(code_of_reject, reason)


@pytest.mark.checklist("rule.query.composite-management-calls")
def test_a_canister_may_always_ask_for_its_own_status_and_only_for_that():
    own = told("canister_status", ABOUT_A, administers=False, controllers=List())
    assert isinstance(own, Reply)
    logs = told("fetch_canister_logs", ABOUT_A, administers=False, controllers=List())
    assert logs == failing(RejectReason.NOT_AUTHORIZED)
    assert told("list_canisters", b"DIDL\0\0", administers=False) == failing(RejectReason.NOT_AUTHORIZED)


@pytest.mark.checklist("unspec.env.wall-clock-query", "unspec.const.max-wall-clock-time-composite-query")
@pytest.mark.parametrize("unused", [0, -1])
def test_no_query_fails_for_the_time_that_it_takes_as_long_as_its_instructions_suffice(unused):
    """All three functions together use what a query may use, or one instruction more."""
    asks = composite(
        {
            "composite_query ask": returns(BUDGET - PRICE - unused - 1_000, new_calls=List.of(calling())),
            "callback 1": returns(500, response=Reply(b"done")),
        }
    )
    answer = asking(installed(a=asks, b=module(gives=ANSWERS)))
    assert (answer.response == Reply(b"done")) == (unused == 0)


@pytest.mark.checklist("unspec.fn.stable-grow", "rule.query.composite-callbacks")
def test_growths_that_are_not_granted_are_numbered_over_the_query_and_those_that_it_calls():
    asks = composite(
        {
            "composite_query ask": returns(1_000, new_calls=List.of(calling()), growths=2),
            "callback 1": returns(300, response=Reply(b"done"), growths=4),
        }
    )
    answers = module(gives={"query ask": returns(500, response=Reply(b"from the callee"), growths=1)})
    request = a_request(A, "ask", b"question")
    state = installed(a=asks, b=answers)
    answer = query(state, request, A, refused_growths=(1, 2, 4), trapping_growths=(3, 5))
    assert answer.growths == 7
    (_, method), (_, callback) = FAKES[asks].seen
    ((_, called),) = FAKES[answers].seen
    told = [
        (each["environment"].refused_growths, each["environment"].trapping_growths)
        for each in (method, called, callback)
    ]
    assert told == [((1, 2, 4), (3, 5)), ((0, 2), (1, 3)), ((1,), (0, 2))]
