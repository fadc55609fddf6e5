"""The demonstration of states that are larger than memory, on a small scale."""

import pytest

from properties.bench.large_state import MEBIBYTE, LargeState, beginning, keep
from reference_impl.durability.directory import StateDirectory
from reference_impl.wasm.instances.kept_instances import KEPT


@pytest.fixture(autouse=True)
def usual_memory(monkeypatch):
    monkeypatch.setattr(KEPT, "most_bytes", KEPT.most_bytes)


@pytest.mark.checklist("seed1.state-larger-than-ram")
def test_canisters_that_together_hold_more_than_fits_tell_the_right_sums():
    engine = beginning(6 * MEBIBYTE).engine()
    state = LargeState(engine, mebibytes=1)
    state.fill(6)
    assert state.size == 12 * MEBIBYTE
    state.ask(20)
    assert engine.residence.bytes <= 3 * MEBIBYTE
    assert KEPT.bytes <= 3 * MEBIBYTE
    assert state.evicted >= 4


def test_they_tell_the_right_sums_when_they_were_kept_and_another_process_goes_on(tmp_path):
    keep(tmp_path / "state", 6, 1, 6 * MEBIBYTE)
    directory = StateDirectory.opened(tmp_path / "state", beginning(6 * MEBIBYTE))
    state = LargeState(directory.engine, mebibytes=1)
    state.know()
    assert state.size == 12 * MEBIBYTE
    assert directory.engine.residence.bytes == 0
    state.ask(20)
    assert directory.engine.residence.bytes <= 3 * MEBIBYTE
    directory.close()


def test_a_wrong_sum_is_found():
    state = LargeState(beginning(4 * MEBIBYTE).engine(), mebibytes=1)
    state.fill(1)
    (model,) = state.models.values()
    model.heap += 1
    with pytest.raises(AssertionError, match="heap tells"):
        state.ask(1)
