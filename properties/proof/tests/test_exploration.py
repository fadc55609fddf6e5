"""The symbolic runner knows what it does not know."""

from enum import Enum

import pytest
import z3
from attrs import evolve, frozen

from properties.proof.claims.proof import Verdict, prove
from properties.proof.containers.containers import UnknownMap, UnknownQueue
from properties.proof.containers.lists import UnknownList
from properties.proof.paths.refusal import NotFollowed
from properties.proof.paths.runs import learn, path, paths
from properties.proof.values.merging import merged_number
from properties.proof.values.scalars import UnknownTruth, lift
from properties.proof.values.unknown import unknown
from spec.values.containers import List, Map, Queue
from spec.values.identifiers import Principal
from spec.values.quantities import Cycles

pytestmark = pytest.mark.usefixtures("session")


class Colour(Enum):
    RED = "red"
    GREEN = "green"


@frozen
class Purse:
    owner: Principal
    cycles: Cycles
    is_open: bool
    colour: Colour


@frozen
class Coin:
    cycles: Cycles


Thing = Purse | Coin


def verdicts(claim):
    """The verdicts of a claim on every path of a question that ends in it."""

    def question():
        return prove(claim)[0]

    return [verdict for _, verdict in paths(question)]


def is_proved(claim):
    return set(verdicts(claim)) == {Verdict.PROVED}


def cycles_of(thing):
    return thing.cycles


def test_both_answers_of_an_unknown_condition_are_explored():
    def question():
        return "more" if unknown(int, "n") > 3 else "less"

    assert sorted(answer for _, answer in paths(question)) == ["less", "more"]


def test_an_impossible_answer_is_not_explored():
    def question():
        number = unknown(Cycles, "n")
        return "negative" if number < 0 else "natural"

    assert [answer for _, answer in paths(question)] == ["natural"]


def test_a_union_is_each_of_its_members_once():
    def question():
        match unknown(Thing, "thing"):
            case Purse():
                return "purse"
            case Coin():
                return "coin"

    assert sorted(answer for _, answer in paths(question)) == ["coin", "purse"]


def test_evolve_keeps_what_it_does_not_change():
    def claim():
        purse = unknown(Purse, "purse")
        changed = evolve(purse, cycles=purse.cycles + 1)
        return changed.owner == purse.owner and changed.cycles > purse.cycles

    assert is_proved(claim)


@pytest.mark.parametrize(
    "misuse",
    [hash, len, list, lambda value: range(value), lambda value: [1, 2][value]],
    ids=lambda misuse: misuse.__name__,
)
def test_what_would_silently_be_wrong_is_refused(misuse):
    def question():
        with pytest.raises(NotFollowed):
            misuse(unknown(int, "n"))

    assert len(list(paths(question))) == 1


def test_a_removed_entry_no_longer_counts():
    def claim():
        purses = unknown(Map[int, Purse], "purses")
        key = unknown(int, "key")
        if key not in purses:
            return True
        return purses.remove(key).total(cycles_of) == purses.total(cycles_of) - purses[key].cycles

    assert is_proved(claim)


def test_moving_cycles_between_two_unknown_entries_conserves_them():
    def claim():
        purses = unknown(Map[int, Purse], "purses")
        giver, taker = unknown(int, "giver"), unknown(int, "taker")
        if giver not in purses or taker not in purses or giver == taker:
            return True
        less = purses.set(giver, evolve(purses[giver], cycles=purses[giver].cycles - 5))
        after = less.set(taker, evolve(purses[taker], cycles=purses[taker].cycles + 5))
        return after.total(cycles_of) == purses.total(cycles_of)

    assert is_proved(claim)


def test_giver_and_taker_may_be_the_same_entry():
    """The same without `giver == taker` is wrong, and is not proved."""

    def claim():
        purses = unknown(Map[int, Purse], "purses")
        giver, taker = unknown(int, "giver"), unknown(int, "taker")
        if giver not in purses or taker not in purses:
            return True
        less = purses.set(giver, evolve(purses[giver], cycles=purses[giver].cycles - 5))
        after = less.set(taker, evolve(purses[taker], cycles=purses[taker].cycles + 5))
        return after.total(cycles_of) == purses.total(cycles_of)

    assert Verdict.FAILED in verdicts(claim)


def emptied(purse):
    return evolve(purse, cycles=0)


def coin_of(purse):
    return Coin(purse.cycles)


def test_emptying_all_open_purses_into_coins_conserves_cycles():
    def claim(is_taken=lambda _, purse: purse.is_open):
        purses = unknown(Map[int, Purse], "purses")
        coins = purses.collect_where(is_taken, coin_of)
        after = purses.change_where(lambda _, purse: purse.is_open, emptied)
        return after.total(cycles_of) + coins.total(cycles_of) == purses.total(cycles_of)

    assert is_proved(claim)
    assert not is_proved(lambda: claim(lambda _, purse: purse.is_open and purse.cycles > 10))


def test_a_change_of_one_entry_keeps_what_holds_of_all_only_if_it_keeps_it_of_that_one():
    def question(changes):
        learn(lift(unknown(Map[int, Purse], "purses").every(_is_open)))
        key = unknown(int, "key")
        return prove(lambda: _still_open(key, changes))[0]

    assert {verdict for _, verdict in paths(lambda: question({"cycles": 0}))} == {Verdict.PROVED}
    assert Verdict.FAILED in {verdict for _, verdict in paths(lambda: question({"is_open": False}))}


def _is_open(_, purse):
    return purse.is_open


def _still_open(key, changes):
    purses = unknown(Map[int, Purse], "purses")
    return key not in purses or purses.set(key, evolve(purses[key], **changes)).every(_is_open)


def test_a_sum_over_elements_that_all_are_zero_is_zero():
    def question():
        purses = unknown(Map[int, Purse], "purses")
        learn(lift(purses.every(lambda _, purse: purse.cycles == 0)))
        return prove(lambda: purses.total(cycles_of) == 0)[0]

    assert {verdict for _, verdict in paths(question)} == {Verdict.PROVED}


def test_appended_items_count():
    def claim():
        queue = unknown(Queue[Thing], "queue")
        return queue.append(Coin(7), Coin(8)).total(cycles_of) == queue.total(cycles_of) + 15

    assert is_proved(claim)


def test_an_appended_item_gets_an_id_that_no_other_has():
    def claim():
        queue = unknown(Queue[Thing], "queue")
        old = unknown(int, "old")
        if old not in queue:
            return True
        return queue.append(Coin(7)).replace(old, Coin(0)).every(lambda thing: thing.cycles >= 0)

    assert is_proved(claim)


def test_items_taken_from_a_list_are_missing_from_the_rest():
    def claim():
        coins = unknown(List[Coin], "coins")
        index = unknown(Cycles, "index")
        if not index < coins.length():
            return True
        coin, rest = coins.take(index)
        return coin.cycles + rest.total(cycles_of) == coins.total(cycles_of)

    assert is_proved(claim)


def test_unknown_members_of_an_enumeration_are_its_members():
    def claim():
        colour = unknown(Colour, "colour")
        return colour == Colour.RED or colour == Colour.GREEN

    assert is_proved(claim)


def test_contradicting_facts_are_told_by_an_unsatisfiable_path():
    def question():
        number = unknown(Cycles, "n")
        learn(lift(number < 0))
        return path().solver.check()

    assert [answer for _, answer in paths(question)] == [z3.unsat]


def test_unknown_containers_have_the_operations_of_the_known_ones():
    exempt = {"of", "items", "entries", "keys", "ids", "next_id"}
    for known, other in ((Map, UnknownMap), (Queue, UnknownQueue), (List, UnknownList)):
        public = {name for name in vars(known) if not name.startswith("_")} - exempt
        assert public - set(dir(other)) == set()


@pytest.mark.parametrize(("kind", "empty"), [(List[Coin], List()), (Map[int, Coin], Map()), (Queue[Coin], Queue())])
def test_a_known_container_is_compared_with_an_unknown_one_from_both_sides(kind, empty):
    def question():
        return (empty == unknown(kind, "container"), unknown(kind, "container") == empty)

    assert {tuple(map(type, answers)) for _, answers in paths(question)} == {(UnknownTruth, UnknownTruth)}


def test_merging_gives_one_number_for_all_cases():
    def claim():
        number = unknown(int, "n")
        return merged_number(lambda: number if number >= 0 else -number) >= 0

    assert is_proved(claim)
