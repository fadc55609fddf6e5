"""A report on a run: its cases, counted in every way that is shown."""

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence

from attrs import frozen

from conformance.judging.verdicts import VERDICT_NAMES, AsProduction, Fail, Pass
from conformance.protocol.interface import Description
from conformance.reporting.causes import Cause, causes
from conformance.reporting.expected import ExpectedFailures
from conformance.running.case import Case, Manner
from spec.transition import RULES
from spec.values.identifiers import Text
from spec.values.quantities import Count


@frozen
class Report:
    """A finished run."""

    description: Description
    manner: Manner
    cases: tuple[Case, ...]
    seconds: float
    command: tuple[Text, ...] = ("icspec", "conform")
    """The command that runs all scenarios in the same way."""
    expected: ExpectedFailures = ExpectedFailures()
    not_run: Count = 0
    """How many scenarios were not begun, because the run ended at the first failure."""

    @property
    def sorted_cases(self) -> Sequence[Case]:
        """The cases in the order of their ids."""
        return sorted(self.cases, key=lambda each: each.id)

    @property
    def counts(self) -> Mapping[Text, int]:
        """How often each verdict was given. Failures that were expected count as failures."""
        found = Counter(case.verdict.name for case in self.cases)
        return {name: found[name] for name in VERDICT_NAMES}

    @property
    def as_production(self) -> Mapping[Text, int]:
        """How many cases went as production would have done."""
        found = Counter(case.as_production for case in self.cases)
        return {each.value: found[each] for each in AsProduction}

    @property
    def observations(self) -> Count:
        """How much the judge observed by itself."""
        return sum(case.looked.observations for case in self.cases)

    @property
    def left_out(self) -> Mapping[Text, Count]:
        """How many observations were left out, by reason, the most frequent first."""
        found: Counter[Text] = Counter()
        for case in self.cases:
            found.update(case.looked.left_out)
        return dict(found.most_common())

    @property
    def unexpected_failures(self) -> Sequence[Case]:
        """The failures that nobody expected."""
        failed = [case for case in self.sorted_cases if isinstance(case.verdict, Fail)]
        return [case for case in failed if self.expected.reason(case.id) is None]

    @property
    def unexpected_passes(self) -> Sequence[Case]:
        """The cases that passed although they were expected to fail."""
        passed = [case for case in self.sorted_cases if isinstance(case.verdict, Pass)]
        return [case for case in passed if self.expected.reason(case.id) is not None]

    @property
    def expected_failures(self) -> Count:
        """How many failures were expected."""
        return self.counts[Fail.name] - len(self.unexpected_failures)

    @property
    def is_success(self) -> bool:
        """Nothing failed or passed unexpectedly, and something passed or failed as expected."""
        if self.unexpected_failures or self.unexpected_passes:
            return False
        return self.counts[Pass.name] + self.expected_failures > 0

    @property
    def causes(self) -> Sequence[Cause]:
        """The failures that nobody expected, by cause."""
        return causes(self.unexpected_failures)

    @property
    def rules_without_scenario(self) -> Sequence[Text]:
        """The rules that fired in no case."""
        fired = {rule for case in self.cases for rule in case.fired}
        return sorted(RULES.keys() - fired)

    def repeat(self, case: Case) -> Text:
        """The command that repeats one case alone, in the same way."""
        return repeating(self.command, case)


def repeating(command: tuple[Text, ...], case: Case) -> Text:
    """The command line that runs one case as a command runs all."""
    return shlex.join((*command, "--only", f"^{re.escape(case.id)}$"))
