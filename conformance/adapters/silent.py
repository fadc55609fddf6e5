"""What servers do not tell or take that were not made for this judge."""

from collections.abc import Mapping, Sequence

from conformance.protocol.interface import Claim, Scheduled, Unsupported
from spec.state.label import Label
from spec.values.identifiers import Blob, Text
from spec.values.quantities import Count


class Silent:
    """The verbs of capabilities that are not offered."""

    def explain(self) -> Sequence[Claim]:
        """Nothing is told."""
        raise Unsupported("the server does not tell which transitions it took")

    def state(self) -> Blob:
        """Nothing is told."""
        raise Unsupported("the server does not tell its state")

    def dump(self) -> Mapping[Text, Text]:
        """Nothing is told."""
        raise Unsupported("the server does not tell its state")

    def schedule(self, labels: Sequence[Label]) -> Scheduled:
        """No order is taken."""
        raise Unsupported("the server takes no order of transitions")

    def attempt(self, labels: Sequence[Label]) -> Count | None:
        """No order is taken."""
        raise Unsupported("the server takes no order of transitions")
