"""
Random schedules in lockstep, label by label, until so many labels agree; and how often each rule was taken.

`python -m properties.agreement.schedules --labels 100000` takes as many and prints the table.
"""

import argparse
from collections.abc import Callable
from typing import Final

from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from properties.agreement import worlds
from properties.agreement.lockstep import Disagreement
from spec.transition import RULES
from spec.values.quantities import Count

WORLDS_AT_ONCE: Final[Count] = 20
"""So many worlds come of one seed."""
STEPS: Final[Count] = 40
"""So many things happen in a world, each of which may be many labels."""


def play(first_seed: Count, labels: Count, told: Callable[[Count, Count], None] = lambda seed, labels: None) -> Count:
    """
    Worlds of one seed after the other, until at least so many labels were taken; how many seeds there were.

    Raises `Disagreement` with the shortest schedule that was found.
    """
    worlds.forget()
    following = first_seed
    while worlds.summary()["labels"] < labels:
        # Reason: the seed stays with the class.
        machine = seed(following)(type("SeededMachine", (worlds.LockstepMachine,), {}))
        run_state_machine_as_test(machine, settings=_settings())
        told(following, worlds.summary()["labels"])
        following += 1
    return following - first_seed


def _settings() -> settings:
    return settings(
        max_examples=WORLDS_AT_ONCE,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def table() -> str:
    """How often each rule was taken since the worlds were last forgotten; rare ones first."""
    rules, never = worlds.summary()["rules"], worlds.summary()["never"]
    lines = [f"{rules.get(name, 0):8}  {name}" for name in sorted(RULES, key=lambda one: rules.get(one, 0))]
    return "\n".join([f"{sum(rules.values()):8}  labels, {len(RULES) - len(never)} of {len(RULES)} rules", *lines])


def main() -> None:
    """Takes labels and prints how often each rule was taken."""
    parser = argparse.ArgumentParser(prog="python -m properties.agreement.schedules", description=__doc__)
    parser.add_argument("--labels", type=int, default=100_000, metavar="N", help="how many labels at least (100000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the first seed (0)")
    given = parser.parse_args()
    if given.labels < 1:
        parser.error("--labels: there is nothing to take")
    try:
        play(given.seed, given.labels, lambda one, labels: print(f"{labels} labels agree, seed {one} done", flush=True))
    except Disagreement as found:
        parser.exit(1, f"{found}\n")
    print(table())


if __name__ == "__main__":
    main()
