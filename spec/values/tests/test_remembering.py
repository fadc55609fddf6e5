"""Functions that keep their last result."""

from spec.values.remembering import RememberingLast


def test_the_result_is_computed_once_while_the_same_object_comes():
    computed = []
    remembering = RememberingLast(lambda argument: computed.append(argument) or len(computed))
    first, equal = ["a"], ["a"]
    assert [remembering(first), remembering(first)] == [1, 1]
    assert [remembering(equal), remembering(first)] == [2, 3], "only the last object is remembered, not an equal one"
    assert computed == [first, equal, first]
