"""Modules with changed bytes are taken by both engines or by none, and what they do is the same."""

import random
import time
from collections import Counter

import pytest

from conformance.canisters.generated_modules import FLAVOURS, generated_module, mutated
from properties.agreement.generated import play
from properties.agreement.modules import Differ, load_pair
from spec.profile import load_profile

MUTANTS_OF_ONE = 20
MINUTES = 10


def compare_mutants(seed: int) -> Counter[str]:
    """Plays some mutants of a generated module; how many did what."""
    flavour, chance, profile = FLAVOURS[seed % len(FLAVOURS)], random.Random(seed), load_profile()
    original = generated_module(seed, flavour)
    done: Counter[str] = Counter()
    for number in range(MUTANTS_OF_ONE):
        raw = mutated(original, chance)
        try:
            done["accepted"] += load_pair(raw, profile) is not None
            done["did work"] += play(raw, profile).did_work
        except Differ as difference:
            raise Differ(f"mutant {number} of seed {seed}, {flavour.name}: {difference}") from None
        done["mutants"] += 1
    return done


def test_mutated_modules_agree() -> None:
    done = sum((compare_mutants(seed) for seed in range(18)), Counter())
    print(dict(done))
    assert 0.1 * done["mutants"] < done["accepted"] < 0.9 * done["mutants"]
    assert done["did work"] > 0.05 * done["mutants"]


@pytest.mark.deep
def test_mutated_modules_agree_for_ten_minutes() -> None:
    done: Counter[str] = Counter()
    seed, end = 1000, time.monotonic() + MINUTES * 60
    while time.monotonic() < end:
        done += compare_mutants(seed)
        seed += 1
    print(dict(done))
    assert done["did work"] > 0.05 * done["mutants"]
