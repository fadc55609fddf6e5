"""Queries on several threads, and answers that are kept."""

import gc
import random
import threading
import weakref

import pytest
import wasmtime

from reference_impl.durability.tests.working import BEGINNING, MINUTE, SECOND, Work, offer
from reference_impl.engine import Engine
from reference_impl.reads import kept_answers
from reference_impl.reads.kept_answers import KeptAnswers
from reference_impl.reads.queries import Query
from reference_impl.subnet.observations import NotTaken
from spec.values.containers import List
from spec.values.identifiers import ANONYMOUS, self_authenticating_id
from spec.values.management import (
    CanisterIdArguments,
    SettingsArguments,
    UninstallCodeArguments,
    UpdateSettingsArguments,
    encode_arguments,
)
from spec.values.rejects import Reply

TEXT = """(module
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_arg_data_copy" (func $argument (param i32 i32 i32)))
  (import "ic0" "msg_arg_data_size" (func $size (result i32)))
  (import "ic0" "msg_caller_copy" (func $caller (param i32 i32 i32)))
  (import "ic0" "msg_caller_size" (func $caller_size (result i32)))
  (import "ic0" "time" (func $time (result i64)))
  (import "ic0" "canister_version" (func $version (result i64)))
  (import "ic0" "canister_cycle_balance128" (func $balance (param i32)))
  (import "ic0" "canister_cycle_balance" (func $small_balance (result i64)))
  (import "ic0" "canister_liquid_cycle_balance128" (func $liquid (param i32)))
  (import "ic0" "data_certificate_present" (func $certified (result i32)))
  (import "ic0" "performance_counter" (func $counter (param i32) (result i64)))
  (import "ic0" "is_controller" (func $controls (param i32 i32) (result i32)))
  (import "ic0" "certified_data_set" (func $certify (param i32 i32)))
  (import "ic0" "call_new" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "ic0" "call_perform" (func $perform (result i32)))
  (import "ic0" "call_data_append" (func $data (param i32 i32)))
  (import "ic0" "msg_reject_code" (func $code (result i32)))
  (memory 1)
  (table funcref (elem $answered $refused $passed $rejected $late))
  (data (i32.const 400) "work")
  (data (i32.const 420) "canister_status")
  (func $tell (param i64)
    (i64.store (i32.const 100) (local.get 0)) (call $append (i32.const 100) (i32.const 16)) (call $reply))
  (func (export "canister_query plain") (call $tell (i64.load (i32.const 200))))
  (func (export "canister_query time") (call $tell (call $time)))
  (func (export "canister_query version") (call $tell (call $version)))
  (func (export "canister_query balance") (call $balance (i32.const 108)) (call $tell (i64.const 0)))
  (func (export "canister_query small_balance") (call $tell (call $small_balance)))
  (func (export "canister_query liquid") (call $liquid (i32.const 108)) (call $tell (i64.const 0)))
  (func (export "canister_query certified") (call $tell (i64.extend_i32_u (call $certified))))
  (func (export "canister_query caller")
    (call $caller (i32.const 100) (i32.const 0) (call $caller_size)) (call $tell (i64.load (i32.const 100))))
  (func (export "canister_query controls")
    (call $caller (i32.const 300) (i32.const 0) (call $caller_size))
    (call $tell (i64.extend_i32_u (call $controls (i32.const 300) (call $caller_size)))))
  (func (export "canister_query trap") (i64.store (i32.const 200) (call $time)) (unreachable))
  ;; Turns of a loop, as many as the argument says.
  (func (export "canister_query work") (local $i i32)
    (call $argument (i32.const 0) (i32.const 0) (call $size))
    (local.set $i (i32.load (i32.const 0)))
    (loop $next (br_if $next (i32.gt_s (local.tee $i (i32.sub (local.get $i) (i32.const 1))) (i32.const 0))))
    (call $tell (call $counter (i32.const 0))))
  ;; The argument is a canister.
  (func (export "canister_composite_query through")
    (call $argument (i32.const 0) (i32.const 0) (call $size))
    (call $call (i32.const 0) (call $size) (i32.const 400) (i32.const 4)
      (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0))
    (drop (call $perform)))
  (func $answered (param i32) (call $tell (call $counter (i32.const 1))))
  (func $refused (param i32) (call $tell (i64.const -1)))
  ;; The argument: a canister of ten bytes, the length of a method's name, the name, and what it is asked.
  (func $ask_others (param $on_reply i32)
    (call $argument (i32.const 1000) (i32.const 0) (call $size))
    (call $call (i32.const 1000) (i32.const 10) (i32.const 1011) (i32.load8_u (i32.const 1010))
      (local.get $on_reply) (i32.const 0) (i32.const 3) (i32.const 0))
    (call $data (i32.add (i32.const 1011) (i32.load8_u (i32.const 1010)))
      (i32.sub (call $size) (i32.add (i32.const 11) (i32.load8_u (i32.const 1010)))))
    (drop (call $perform)))
  (func (export "canister_composite_query via") (call $ask_others (i32.const 2)))
  (func (export "canister_composite_query via_and_late") (call $ask_others (i32.const 4)))
  ;; The argument is that of the management canister's method.
  (func (export "canister_composite_query status")
    (call $argument (i32.const 1000) (i32.const 0) (call $size))
    (call $call (i32.const 0) (i32.const 0) (i32.const 420) (i32.const 15)
      (i32.const 2) (i32.const 0) (i32.const 3) (i32.const 0))
    (call $data (i32.const 1000) (call $size))
    (drop (call $perform)))
  (func $passed (param i32)
    (call $argument (i32.const 500) (i32.const 0) (call $size))
    (call $append (i32.const 500) (call $size)) (call $reply))
  (func $rejected (param i32) (call $tell (i64.extend_i32_u (call $code))))
  ;; The callback learns the time, the method does not.
  (func $late (param i32) (call $tell (call $time)))
  (func (export "canister_update write")
    (i64.store (i32.const 200) (i64.add (i64.load (i32.const 200)) (i64.const 1))) (call $reply))
  (func (export "canister_update nothing") (call $reply)))"""
MODULE = bytes(wasmtime.wat2wasm(TEXT))
PLAIN = ("plain", "time", "version", "balance", "small_balance", "liquid", "caller", "controls", "trap")
OTHER = self_authenticating_id(b"other")


class Stage:
    """Engines with the same canisters."""

    def __init__(self, canisters=1, **chosen):
        beginning = BEGINNING.profile, BEGINNING.subnet, BEGINNING.time, BEGINNING.root_key
        self.engines = [Engine(*beginning, explains=False), Engine(*beginning, explains=False, **chosen)]
        self.work = Work(0, self.engines[0])
        for _ in range(canisters):
            self.do(self.work.created())
        self.ids = sorted(self.engines[0].instance.canisters)
        for one in self.ids:
            self.do(self.work.installed(one, MODULE))

    def do(self, *inputs):
        for engine in self.engines:
            for given in inputs:
                assert not isinstance(offer(engine, given), NotTaken)
            engine.round()

    def query(self, canister_id, method, argument=b"", sender=ANONYMOUS):
        expiry = self.engines[0].instance.system_time + MINUTE
        return Query(b"", expiry, sender, canister_id, method, argument), canister_id

    def ask(self, method, **more):
        """What both say, which is the same."""
        query = self.query(self.ids[0], method, **more)
        without, kept = [engine.query(*query) for engine in self.engines]
        assert kept == without
        return kept

    @property
    def told(self):
        return self.engines[1]._answers.told


@pytest.mark.checklist("seed1.query-concurrent-threads")
def test_queries_on_several_threads_are_answered_as_one_after_the_other():
    stage, chosen = Stage(canisters=3, threads=4), random.Random(1)
    asked = []
    for _ in range(400):
        one, other = chosen.choices(stage.ids, k=2)
        method = chosen.choice([*PLAIN, "work", "work", "through", "through", "certified", "missing"])
        argument = other if method == "through" else chosen.randrange(300_000).to_bytes(4, "little")
        asked.append(stage.query(one, method, argument, chosen.choice([ANONYMOUS, OTHER])))
    in_turn, together = [engine.query_together(asked) for engine in stage.engines]
    assert together == in_turn
    assert sum(isinstance(one, Reply) for one in together) > 200
    assert stage.engines[0].abstract() == stage.engines[1].abstract()


@pytest.mark.parametrize("method", PLAIN)
def test_an_answer_is_told_again_as_long_as_nothing_happens(method):
    stage = Stage(keeps_answers=True)
    first = stage.ask(method)
    assert stage.ask(method) == first
    assert stage.told == 1


TIME, WRITTEN, RAN, SETTINGS = "time passes", "a message writes", "a message writes nothing", "settings change"


@pytest.mark.parametrize(
    ("method", "happens", "is_told_again"),
    [
        ("plain", TIME, True),
        ("time", TIME, False),
        ("trap", TIME, False),
        ("balance", TIME, True),
        ("plain", WRITTEN, False),
        ("plain", RAN, True),
        ("version", RAN, False),
        ("balance", RAN, False),
        ("small_balance", RAN, False),
        ("liquid", RAN, False),
        ("time", RAN, True),
        ("controls", SETTINGS, False),
        ("plain", SETTINGS, False),
    ],
)
def test_an_answer_is_told_again_only_while_it_holds(method, happens, is_told_again):
    stage = Stage(keeps_answers=True)
    stage.ask(method)
    match happens:
        case "time passes":
            for engine in stage.engines:
                engine.advance(SECOND)
        case "a message writes":
            stage.do(stage.work.call(stage.ids[0], "write", b""))
        case "a message writes nothing":
            stage.do(stage.work.call(stage.ids[0], "nothing", b""))
        case "settings change":
            changed = UpdateSettingsArguments(stage.ids[0], SettingsArguments(controllers=List.of(OTHER)))
            stage.do(stage.work.managed("update_settings", changed, stage.ids[0]))
    stage.ask(method)
    assert stage.told == is_told_again


def test_answers_are_told_to_who_asked_what():
    stage = Stage(keeps_answers=True)
    assert stage.ask("caller") != stage.ask("caller", sender=OTHER)
    stage.ask("work", argument=(5).to_bytes(4, "little"))
    stage.ask("work", argument=(6).to_bytes(4, "little"))
    assert stage.told == 0


def test_who_asks_for_a_certificate_is_run_each_time():
    stage = Stage(keeps_answers=True)
    for _ in range(3):
        assert stage.ask("certified").data[:1] == b"\x01"
    assert stage.told == 0


# COMPOSITE QUERIES


def via(canister_id, method, argument=b""):
    """The argument of `via`, by which the canister is asked something."""
    return canister_id + bytes([len(method)]) + method.encode() + argument


def written(stage, canister_id):
    stage.do(stage.work.call(canister_id, "write", b""))


def message_without_effect(stage, canister_id):
    stage.do(stage.work.call(canister_id, "nothing", b""))


def later(stage, canister_id):
    for engine in stage.engines:
        engine.advance(SECOND)


def other_settings(stage, canister_id):
    changed = UpdateSettingsArguments(canister_id, SettingsArguments(controllers=List.of(OTHER, ANONYMOUS)))
    stage.do(stage.work.managed("update_settings", changed, canister_id))


def frozen(stage, canister_id):
    """Without a message: what the canister has is gone."""
    for engine in stage.engines:
        engine.instance.canisters[canister_id].balance = 0


def stopped(stage, canister_id):
    stage.do(stage.work.managed("stop_canister", CanisterIdArguments(canister_id), canister_id))


def emptied(stage, canister_id):
    stage.do(stage.work.managed("uninstall_code", UninstallCodeArguments(canister_id), canister_id))


def deleted(stage, canister_id):
    stopped(stage, canister_id)
    stage.do(stage.work.managed("delete_canister", CanisterIdArguments(canister_id), canister_id))


def nothing(stage, canister_id):
    pass


ROOT, CALLEE, THIRD = range(3)


@pytest.mark.parametrize(
    ("method", "happens", "to", "is_told_again"),
    [
        ("plain", nothing, CALLEE, True),
        ("plain", written, CALLEE, False),
        ("plain", written, ROOT, False),
        ("plain", written, THIRD, True),
        ("plain", message_without_effect, CALLEE, True),
        ("plain", later, CALLEE, True),
        ("time", later, CALLEE, False),
        ("version", message_without_effect, CALLEE, False),
        ("version", message_without_effect, ROOT, True),
        ("balance", message_without_effect, CALLEE, False),
        ("balance", message_without_effect, THIRD, True),
        ("trap", later, CALLEE, False),
        ("missing", written, CALLEE, False),
        ("missing", nothing, CALLEE, True),
        ("controls", other_settings, CALLEE, False),
        ("controls", other_settings, THIRD, True),
        ("plain", frozen, CALLEE, False),
        ("plain", stopped, CALLEE, False),
        ("plain", emptied, CALLEE, False),
        ("plain", deleted, CALLEE, False),
        ("plain", deleted, THIRD, True),
        ("certified", nothing, CALLEE, False),
    ],
)
def test_a_composite_query_is_answered_again_only_while_all_holds_that_it_read(method, happens, to, is_told_again):
    stage = Stage(canisters=3, keeps_answers=True)
    asked = via(stage.ids[CALLEE], method)
    first = stage.ask("via", argument=asked)
    happens(stage, stage.ids[to])
    second = stage.ask("via", argument=asked)
    assert stage.told == is_told_again
    if is_told_again:
        assert second == first
    stage.ask("via", argument=asked)
    assert stage.told == is_told_again + (method != "certified")


@pytest.mark.parametrize("happens", [emptied, deleted, stopped, frozen])
def test_that_a_canister_does_not_answer_holds_only_until_it_does(happens):
    stage = Stage(canisters=2, keeps_answers=True)
    asked = via(stage.ids[CALLEE], "plain")
    balances = [engine.instance.canisters[stage.ids[CALLEE]].balance for engine in stage.engines]
    happens(stage, stage.ids[CALLEE])
    stage.ask("via", argument=asked)
    stage.ask("via", argument=asked)
    assert stage.told == 1
    match happens.__name__:
        case "emptied":
            stage.do(stage.work.installed(stage.ids[CALLEE], MODULE))
        case "stopped":
            stage.do(stage.work.managed("start_canister", CanisterIdArguments(stage.ids[CALLEE]), stage.ids[CALLEE]))
        case "frozen":
            for engine, balance in zip(stage.engines, balances, strict=True):
                engine.instance.canisters[stage.ids[CALLEE]].balance = balance
        case "deleted":
            assert stage.told == 1
            return
    assert isinstance(stage.ask("via", argument=asked), Reply)
    assert stage.told == 1


def test_that_nothing_was_left_for_a_call_holds_only_until_something_is():
    stage = Stage(canisters=2, keeps_answers=True)
    root = [engine.instance.canisters[stage.ids[ROOT]] for engine in stage.engines]
    before = root[0].balance
    for engine, canister in zip(stage.engines, root, strict=True):
        canister.balance -= engine.instance.liquid(canister) - 1000
    asked = via(stage.ids[CALLEE], "plain")
    assert not isinstance(stage.ask("via", argument=asked), Reply)
    stage.ask("via", argument=asked)
    assert stage.told == 1
    for canister in root:
        canister.balance = before
    assert isinstance(stage.ask("via", argument=asked), Reply)
    assert stage.told == 1


def test_what_a_callback_learns_counts_too():
    stage = Stage(canisters=2, keeps_answers=True)
    asked = via(stage.ids[CALLEE], "plain")
    first = stage.ask("via_and_late", argument=asked)
    assert stage.ask("via_and_late", argument=asked) == first
    later(stage, stage.ids[ROOT])
    assert stage.ask("via_and_late", argument=asked) != first
    assert stage.told == 1


def test_what_is_read_at_any_depth_counts():
    stage = Stage(canisters=3, keeps_answers=True)
    asked = via(stage.ids[CALLEE], "via", via(stage.ids[THIRD], "plain"))
    first = stage.ask("via", argument=asked)
    assert stage.ask("via", argument=asked) == first
    written(stage, stage.ids[THIRD])
    assert stage.ask("via", argument=asked) != first
    assert stage.told == 1


def test_what_the_management_canister_says_is_asked_each_time():
    stage = Stage(canisters=2, keeps_answers=True)
    own_id = stage.ids[ROOT]
    asked = encode_arguments(CanisterIdArguments(own_id))
    first = stage.ask("status", argument=asked)
    assert len(first.data) > 100
    for engine in stage.engines:
        engine.instance.canisters[own_id].balance -= 10**6
    assert stage.ask("status", argument=asked) != first
    assert stage.told == 0


@pytest.mark.parametrize("seed", range(3))
def test_after_whatever_happens_composite_queries_are_answered_as_if_nothing_were_kept(seed):
    stage, chosen = Stage(canisters=3, keeps_answers=True), random.Random(seed)
    questions = []
    for method in ("plain", "time", "version", "balance", "controls", "caller", "trap"):
        asked = via(chosen.choice(stage.ids), method)
        deeper = via(chosen.choice(stage.ids), "via", asked)
        questions += [("via", asked), ("via", deeper), ("via_and_late", deeper)]
    for _ in range(300):
        if chosen.random() < 0.2:
            happens = chosen.choice([written, written, later, message_without_effect, other_settings])
            happens(stage, chosen.choice(stage.ids))
        method, asked = chosen.choice(questions)
        stage.ask(method, argument=asked)
    assert stage.told > 15


def test_answers_do_not_keep_old_states():
    stage = Stage(canisters=2, keeps_answers=True)
    stage.ask("via", argument=via(stage.ids[CALLEE], "plain"))
    state = weakref.ref(stage.engines[1].instance.canisters[stage.ids[CALLEE]].code.wasm_state)
    for number in range(3):
        written(stage, stage.ids[number % 2])
        written(stage, stage.ids[CALLEE])
    gc.collect()
    assert state() is None


def test_a_stopped_canister_tells_nothing_that_is_kept():
    stage = Stage(keeps_answers=True)
    stage.ask("plain")
    stage.do(stage.work.managed("stop_canister", CanisterIdArguments(stage.ids[0]), stage.ids[0]))
    assert not isinstance(stage.ask("plain"), Reply)


def test_answers_take_no_more_than_they_may():
    stage = Stage(keeps_answers=True)
    answers = stage.engines[1]._answers = KeptAnswers(4 * kept_answers.FIXED_SIZE)
    for number in range(20):
        stage.ask("work", argument=number.to_bytes(4, "little"))
        assert answers.bytes <= 4 * kept_answers.FIXED_SIZE
    stage.ask("work", argument=(19).to_bytes(4, "little"))
    assert answers.told == 1
    stage.ask("work", argument=(1).to_bytes(4, "little"))
    assert answers.told == 1
    stage.ask("work", argument=bytes(5000))
    assert answers.bytes <= 4 * kept_answers.FIXED_SIZE


def test_what_a_query_sees_stays_when_another_thread_asks():
    instance = Stage().engines[0].instance
    (canister,) = instance.canisters.values()
    mine = instance.environment(canister, 10, replicated=False, context_instructions=5)
    other = threading.Thread(target=lambda: instance.environment(canister, 20, replicated=False))
    other.start()
    other.join()
    assert (mine.instruction_limit, mine.call_context_instructions) == (10, 5)


@pytest.mark.checklist("seed1.query-scaling")
def test_nodes_share_queries_without_asking_each_other():
    """Each node of several in the same state answers its part; together they say what one alone would say."""
    chosen = random.Random(2)
    nodes = [Stage(canisters=3) for _ in range(3)]
    one = nodes[0]
    asked = [
        one.query(chosen.choice(one.ids), chosen.choice(["plain", "time", "work", "balance"]), bytes([number, 1, 0, 0]))
        for number in range(90)
    ]
    states = [stage.engines[1].abstract() for stage in nodes]
    assert states.count(states[0]) == len(nodes)
    shared = [nodes[number % 3].engines[1].query(*query) for number, query in enumerate(asked)]
    assert shared == [one.engines[0].query(*query) for query in asked]
    assert len({str(answer) for answer in shared}) > 20
    assert [stage.engines[1].abstract() for stage in nodes] == states
