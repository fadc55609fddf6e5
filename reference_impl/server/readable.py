"""What is read of an engine without changing it: its state as it is, or the one that was committed last."""

from attrs import frozen

from reference_impl.engine import Engine
from reference_impl.reads.queries import Query
from reference_impl.subnet.observations import NotTaken
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.state.request import Done, Rejected, Replied
from spec.values.identifiers import Principal, RequestId
from spec.values.quantities import Nanoseconds
from spec.values.rejects import Response


@frozen
class Readable:
    """A state, which stays as long as somebody reads it."""

    instance: SubnetInstance
    """Nobody may change it."""
    now: Nanoseconds
    """What time it is. The state may be older, while a round computes."""
    _engine: Engine

    @classmethod
    def of(cls, engine: Engine) -> "Readable":
        """The state of an engine as it is now, to be read on its thread."""
        return cls(engine.instance, engine.instance.system_time, engine)

    def query(self, query: Query, effective_id: Principal) -> Response | NotTaken:
        """Evaluates a query on the state."""
        return self._engine.query(query, effective_id, self.instance)


def has_ended(instance: SubnetInstance, request_id: RequestId) -> bool:
    """The status of a request is terminal."""
    known = instance.ingress.get(request_id)
    return known is not None and isinstance(known.status, Replied | Rejected | Done)
