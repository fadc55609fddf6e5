"""Judges mutants named by file, function, operator and new line with some scenarios; prints what comes of them."""

import json
import sys

from conformance.suite.loading import all_scenarios
from properties.mutation.judging import Judging
from properties.mutation.measuring import measured
from properties.mutation.mutants import ROOT, Mutant, mutants_of
from properties.mutation.patching import live_functions, prepare_to_compile
from properties.mutation.results import holds, result_of


def named(path: str, function: str, operator: str, new_line: str) -> Mutant:
    """The one mutant with this edit."""
    (found,) = (
        each
        for each in mutants_of("messages", ROOT / path)
        if (each.function, each.operator) == (function, operator) and f"+{new_line}" in each.difference()
    )
    return found


def main(given: str) -> None:
    """Of each mutant: who catches it, how many scenarios ran it, whether its result holds with the other scenarios."""
    wanted = json.loads(given)
    prepare_to_compile()
    known = {each.id: each for each in all_scenarios()}
    scenarios, others = ([known[each] for each in wanted[name]] for name in ("scenarios", "other_scenarios"))
    measurement, other_measurement = measured(scenarios), measured(others)
    judging = Judging(measurement, scenarios, live_functions())
    told = []
    for row in wanted["mutants"]:
        mutant = named(*row)
        result = result_of(mutant, judging.outcome(mutant), measurement, "judge")
        told.append(
            {
                "explained": result.explained,
                "black_box": result.black_box,
                "reached_by": result.reached_by,
                "differing": result.differing,
                "holds": holds(result, mutant, measurement, "judge"),
                "holds_with_others": holds(result, mutant, other_measurement, "judge"),
                "holds_for_another_judge": holds(result, mutant, measurement, "other judge"),
            }
        )
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
