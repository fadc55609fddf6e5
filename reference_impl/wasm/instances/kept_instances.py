"""Which idle instances this process keeps: so many, and so much memory in them; what has waited longest goes first."""

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Final

from spec.values.memory import LinearMemory
from spec.values.quantities import OS_PAGE, ByteCount, Count

if TYPE_CHECKING:
    from reference_impl.wasm.instances.instance import WasmtimeInstance

USUAL_INSTANCES: Final[Count] = 128
"""Each takes addresses for some memories of 4 GiB, and a file."""
USUAL_BYTES: Final[ByteCount] = 4 << 30


class KeptInstances:
    """The idle instances of all modules, oldest first. One that serves memories that it holds stays among them."""

    def __init__(self) -> None:
        self.most_instances: Count = USUAL_INSTANCES
        self.most_bytes: ByteCount = USUAL_BYTES
        """Of the pages that the instances hold; the latest instance stays however large it is."""
        self._lock = Lock()
        self._sizes: OrderedDict[WasmtimeInstance, ByteCount] = OrderedDict()
        self._bytes: ByteCount = 0
        self._latest: tuple[WasmtimeInstance, LinearMemory, ByteCount] | None = None
        """What was put last and has not been taken or gone since, with its heap and its size then."""

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def bytes(self) -> ByteCount:
        """What the pages in all of them take."""
        return self._bytes

    def put(self, instance: "WasmtimeInstance") -> "list[WasmtimeInstance]":
        """An instance is idle from now on; those that are not kept for its sake."""
        size = OS_PAGE * instance.pages
        with self._lock:
            self._latest = instance, instance.heap, size
            self._bytes += size - self._sizes.pop(instance, 0)
            self._sizes[instance] = size
            gone = []
            while len(self._sizes) > self.most_instances or (self._bytes > self.most_bytes and len(self._sizes) > 1):
                oldest, freed = self._sizes.popitem(last=False)
                self._bytes -= freed
                gone.append(oldest)
        return gone

    def is_latest(self, instance: "WasmtimeInstance") -> bool:
        """The instance was put last and not taken since, and it is as large: putting it again changes nothing."""
        latest = self._latest
        if latest is None or latest[0] is not instance:
            return False
        is_unchanged = latest[1] is instance.heap and instance.stable is None
        return is_unchanged or latest[2] == OS_PAGE * instance.pages

    def exchange(self, before: LinearMemory, now: LinearMemory) -> None:
        """Instances that hold a memory hold an equal one from now on."""
        with self._lock:
            for instance in self._sizes:
                instance.exchange(before, now)

    def take(self, instance: "WasmtimeInstance") -> None:
        """An instance is idle no more."""
        with self._lock:
            self._latest = None
            self._bytes -= self._sizes.pop(instance, 0)


KEPT: Final = KeptInstances()
"""Those of this process."""
