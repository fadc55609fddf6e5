"""The demonstration of states that are larger than memory, on a small scale."""

import pytest

from properties.bench.large_state import MEBIBYTE, LargeState
from reference_impl.wasm.instances.kept_instances import KEPT


@pytest.mark.checklist("seed1.state-larger-than-ram")
def test_canisters_that_together_hold_more_than_fits_tell_the_right_sums(monkeypatch):
    monkeypatch.setattr(KEPT, "most_bytes", KEPT.most_bytes)
    state = LargeState(canisters=6, mebibytes=1, memory=6 * MEBIBYTE)
    assert state.size == 12 * MEBIBYTE
    state.ask(20)
    assert state.residence.bytes <= 3 * MEBIBYTE
    assert KEPT.bytes <= 3 * MEBIBYTE
    assert state.residence.evicted >= 4


def test_a_wrong_sum_is_found(monkeypatch):
    monkeypatch.setattr(KEPT, "most_bytes", KEPT.most_bytes)
    state = LargeState(canisters=1, mebibytes=1, memory=4 * MEBIBYTE)
    (model,) = state.models.values()
    model.heap += 1
    with pytest.raises(AssertionError, match="heap tells"):
        state.ask(1)
