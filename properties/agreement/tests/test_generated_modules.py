"""Generated modules give the same results, memories, globals and instruction counts on both interpreters."""

from collections import Counter

import pytest

from conformance.canisters.generated_modules import FLAVOURS, generated_module
from properties.agreement.generated import OUT_OF_INSTRUCTIONS, RETURNED, TRAPPED, play
from properties.agreement.modules import Differ
from spec.profile import load_profile

QUICK = 240
DEEP = 20_000


def compare_modules(seeds: range) -> Counter[str]:
    """Takes the flavours in turn; how many modules did what."""
    done: Counter[str] = Counter()
    for seed in seeds:
        flavour = FLAVOURS[seed % len(FLAVOURS)]
        try:
            played = play(generated_module(seed, flavour), load_profile())
        except Differ as difference:
            raise Differ(f"seed {seed}, {flavour.name}: {difference}") from None
        done["modules"] += 1
        done["installed"] += played.is_installed
        done["did work"] += played.did_work
        done[f"did work: {flavour.name}"] += played.did_work
        done["changed heap or globals"] += played.changed_state
        for ending in (RETURNED, TRAPPED, OUT_OF_INSTRUCTIONS):
            done[ending] += played.how_many(ending)
    return done


def test_a_few_hundred_generated_modules_agree_and_most_of_them_do_something():
    done = compare_modules(range(QUICK))
    print(dict(done))
    assert done["modules"] == QUICK
    assert done["installed"] > 0.75 * QUICK
    assert done["did work"] > 0.4 * QUICK
    assert all(done[f"did work: {flavour.name}"] > 0.15 * QUICK / len(FLAVOURS) for flavour in FLAVOURS)
    assert done["changed heap or globals"] > 0.1 * QUICK
    assert min(done[RETURNED], done[OUT_OF_INSTRUCTIONS]) > QUICK
    assert done[TRAPPED] > 0.2 * QUICK


def test_the_generator_is_deterministic():
    flavour = FLAVOURS[0]
    assert generated_module(7, flavour) == generated_module(7, flavour)
    assert generated_module(7, flavour) != generated_module(8, flavour)


@pytest.mark.deep
@pytest.mark.parametrize("part", range(20))
def test_twenty_thousand_generated_modules_agree(part):
    done = compare_modules(range(part * DEEP // 20, (part + 1) * DEEP // 20))
    print(dict(done))
    assert done["did work"] > 0.4 * DEEP / 20
