"""In which manner scenarios are run, and what comes of one."""

from collections.abc import Mapping

from attrs import field, frozen

from conformance.judging.engines import INTERPRETER
from conformance.judging.environment import CALM, Environment
from conformance.judging.judge import DEFAULT_SECONDS, DEFAULT_STEPS
from conformance.judging.verdicts import AsProduction, Verdict
from conformance.suite.looking import Looked, Looking
from conformance.suite.shortest import Shortest
from conformance.suite.transcript import Event
from spec.values.identifiers import Text
from spec.values.quantities import Count


@frozen
class Manner:
    """In which manner a run judges."""

    environment: Environment = CALM
    black_box: bool = False
    """Ignore what the implementation can explain."""
    profile: Text = "production"
    """The name of a bundled profile, or a file. For scenarios that do not need one of their own."""
    is_shared: bool = False
    """The instance lasts, so its subnet holds also what others made, who were there before."""
    looking: Looking = Looking.AT_THE_END
    """When the judge looks by itself at what can be observed."""
    tells_all: bool = True
    """A case that passes has its transcript too."""
    engine: Text = INTERPRETER
    """What executes canisters for the judge: the name of an engine."""
    interface: Text | None = None
    """The version of the interface specification by which is judged; None for the one that is declared."""
    steps: Count = DEFAULT_STEPS
    seconds: float = DEFAULT_SECONDS


@frozen
class Case:
    """The verdict on one scenario."""

    id: Text
    title: Text
    covers: tuple[Text, ...]
    verdict: Verdict
    """Whether what was seen is allowed."""
    seconds: float
    judged_by: Text
    """`replay` or `search`, or nothing if it did not come to that."""
    effort: Mapping[str, int]
    fired: tuple[Text, ...]
    """The rules of the specification that fired, by name."""
    fired_last: tuple[Text, ...] = field(kw_only=True, default=())
    """Those of them that fired last, the last one first."""
    transcript: tuple[Event, ...]
    is_broken: bool
    """The implementation gave no usable response, so its process is of no more use."""
    as_production: AsProduction = AsProduction.NOT_CLAIMED
    """Whether what was seen is what production does."""
    departures: tuple[Text, ...] = ()
    """Where what was seen is not what production does."""
    shortest: Shortest | None = None
    """The shortest way found in which a difference is seen from outside that the implementation told of itself."""
    looked: Looked = Looked()
    """What the judge observed by itself."""
