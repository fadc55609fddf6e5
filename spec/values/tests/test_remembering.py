"""Functions that keep their last results."""

from spec.values.remembering import RememberingLast, remembering_recent


def test_the_result_is_computed_once_while_the_same_object_comes():
    computed = []
    remembering = RememberingLast(lambda argument: computed.append(argument) or len(computed))
    first, equal = ["a"], ["a"]
    assert [remembering(first), remembering(first)] == [1, 1]
    assert [remembering(equal), remembering(first)] == [2, 3], "only the last object is remembered, not an equal one"
    assert computed == [first, equal, first]


def test_the_last_results_are_kept_for_the_same_object_and_equal_others():
    computed = []

    @remembering_recent(2)
    def remembering(argument, other, named=0):
        computed.append((argument, other, named))
        return len(computed)

    first, equal = ["a"], ["a"]
    assert [remembering(first, (1,)), remembering(first, (1,)), remembering(first, (2,))] == [1, 1, 2]
    assert remembering(first, (1,)) == 1, "two results are kept"
    assert remembering(first, (1,), named=5) == 3, "named arguments are compared as well"
    assert remembering(equal, (1,)) == 4, "an equal first argument is another one"
    assert remembering(first, (1,)) == 5, "an older result is not kept"
