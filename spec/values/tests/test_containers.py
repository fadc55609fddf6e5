"""The containers obey the laws that proofs rely on."""

from hypothesis import given
from hypothesis import strategies as some

from spec.values.containers import List, Map, Queue

numbers = some.lists(some.integers(0, 9), max_size=6)
lists = numbers.map(lambda items: List(tuple(items)))
dictionaries = some.dictionaries(some.integers(0, 9), some.integers(0, 9), max_size=6)
queues = numbers.map(lambda items: Queue().append(*items))


def even(number):
    return number % 2 == 0


def doubled(number):
    return number * 2


def identity(number):
    return number


# List


@given(lists, lists)
def test_the_total_of_a_joined_list_is_the_sum_of_the_totals(left, right):
    assert left.extend(right).total(doubled) == left.total(doubled) + right.total(doubled)
    assert left.append(*right) == left.extend(right)


@given(lists)
def test_mapping_commutes_with_measuring(items):
    assert items.map(doubled).total(identity) == items.total(doubled)


@given(lists.filter(len), some.data())
def test_taking_an_item_leaves_the_others_in_order(items, choose):
    index = choose.draw(some.integers(0, len(items) - 1))
    item, others = items.take(index)
    assert (item, *others) == (items.items[index], *items.items[:index], *items.items[index + 1 :])
    assert others.total(identity) + item == items.total(identity)


@given(lists)
def test_every_and_none_quantify_over_the_items(items):
    assert items.every(even) == all(map(even, items))
    assert items.none(even) == (not any(map(even, items)))
    assert items.is_empty() == (len(items) == 0)


# Map


@given(dictionaries, some.integers(0, 9), some.integers(0, 9))
def test_a_map_behaves_like_a_dictionary(entries, key, value):
    mapped = Map.of(entries.items())
    assert mapped.set(key, value).items() == sorted({**entries, key: value}.items())
    assert mapped.items() == sorted(entries.items())
    assert mapped.keys() == sorted(entries)
    assert len(mapped) == len(entries)
    assert (key in mapped) == (key in entries)


@given(dictionaries, some.integers(0, 9), some.integers(0, 9))
def test_maps_with_equal_entries_are_equal_however_they_came_about(entries, key, value):
    mapped = Map.of(entries.items())
    detour = mapped.set(key, value)
    back = detour.set(key, entries[key]) if key in entries else detour.remove(key)
    assert back == mapped
    assert hash(back) == hash(mapped)


@given(dictionaries)
def test_the_total_of_a_map_is_over_its_values(entries):
    assert Map.of(entries.items()).total(doubled) == 2 * sum(entries.values())


@given(dictionaries)
def test_changing_where_selected_changes_only_those(entries):
    changed = Map.of(entries.items()).change_where(lambda key, _: even(key), doubled)
    assert changed.items() == sorted((key, value * 2 if even(key) else value) for key, value in entries.items())


@given(dictionaries)
def test_collecting_goes_in_the_order_of_the_keys(entries):
    collected = Map.of(entries.items()).collect_where(lambda key, _: even(key), doubled)
    assert collected.items == tuple(value * 2 for key, value in sorted(entries.items()) if even(key))


@given(dictionaries)
def test_every_and_none_quantify_over_the_entries(entries):
    mapped = Map.of(entries.items())
    assert mapped.every(lambda key, value: key <= value) == all(key <= value for key, value in entries.items())
    assert mapped.none(lambda key, value: key <= value) == (not any(k <= v for k, v in entries.items()))


# Queue


@given(queues, some.integers())
def test_an_id_is_never_given_twice(queue, item):
    longer = queue.append(item).prepend(item)
    assert len(set(longer.ids())) == len(longer) == len(queue) + 2
    emptied = queue
    for item_id in queue.ids():
        emptied = emptied.remove(item_id)
    assert emptied.append(item).ids() == [queue.next_id]


@given(queues, some.integers())
def test_appended_items_are_younger_and_prepended_ones_older(queue, item):
    assert list(queue.append(item)) == [*queue, item]
    assert list(queue.prepend(item)) == [item, *queue]
    assert queue.extend(List.of(item, item)) == queue.append(item, item)


@given(queues.filter(len), some.data())
def test_a_replaced_item_keeps_its_place_and_id(queue, choose):
    item_id = choose.draw(some.sampled_from(queue.ids()))
    replaced = queue.replace(item_id, -1)
    assert replaced.ids() == queue.ids()
    assert replaced[item_id] == -1
    assert replaced.total(identity) == queue.total(identity) - queue[item_id] - 1


@given(queues.filter(len), some.data())
def test_none_older_looks_only_in_front_of_the_item(queue, choose):
    place = choose.draw(some.integers(0, len(queue) - 1))
    item_id = queue.ids()[place]
    assert queue.none_older(item_id, even) == (not any(map(even, list(queue)[:place])))


@given(queues)
def test_the_total_of_a_queue_is_over_its_items(queue):
    assert queue.total(doubled) == 2 * sum(queue)
    assert queue.every(even) == all(map(even, queue))
    assert queue.none(even) == (not any(map(even, queue)))
