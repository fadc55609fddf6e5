"""
A state directory: the last checkpoint of an engine, and a journal of what came in since.

Its files are those of `FILES`. A checkpoint is there once its file has its name; the journal that follows it is there
before. So the last checkpoint and its journal are there whenever the process ends, and nothing but a journal without
records can be there beside them.
"""

import fcntl
import os
import re
from pathlib import Path
from secrets import token_bytes
from typing import Any, Final, Self

import cbor2
from attrs import evolve, frozen

from reference_impl.durability.checkpoints import Checkpoints
from reference_impl.durability.contents import Contents, PagesAside, bring_back
from reference_impl.durability.faults import StateDirectoryFault, broken, naming
from reference_impl.durability.files import FILE_OF_OWNER, UNFINISHED, make_directory, new_file, remove
from reference_impl.durability.frames import FIRST, MAGIC, Torn, framed, frames_of
from reference_impl.durability.inputs import Input, give, input_of, record_of
from reference_impl.durability.journal import Journal, ReadJournal, create_journal, journal_path, read_journal
from reference_impl.durability.journaled_engine import JournaledEngine
from reference_impl.durability.kept_hash import CERTIFIED, HashedAside, KeptHash, certified, require_certified
from reference_impl.durability.kept_values import NoValue
from reference_impl.own_name import own_version
from reference_impl.rounds.residence import bounded
from reference_impl.subnet.network import Network
from spec.profile import Profile
from spec.state.canister import Subnet
from spec.values.checklist import defines
from spec.values.identifiers import Blob, Text
from spec.values.quantities import ByteCount, Count, Nanoseconds

LOCK: Final = "lock"
DESCRIPTION: Final = "description"
JOURNAL: Final = re.compile(r"journal-([0-9]{10})")
FILES: Final = re.compile(rf"{LOCK}|{DESCRIPTION}|checkpoint-[0-9]{{10}}-[0-9]{{10}}|{JOURNAL.pattern}")
CHECKPOINT_STEPS: Final[Count] = 500
"""So many rounds and steps of time are between two checkpoints. Source: production's interval of rounds."""
LONGEST_JOURNAL: Final[ByteCount] = 256 << 20
"""A journal that is longer is followed by a checkpoint, however few rounds there were."""
IDENTITY_SIZE: Final = 16
SUBNETS: Final = "number of subnets"


@frozen
@defines("seed1.hardware-capacity")
class Beginning:
    """What an engine begins with."""

    profile: Profile
    subnet: Subnet
    root_key: Blob
    time: Nanoseconds
    threads: Count = 1
    """On so many canisters execute; it may be another number each time."""
    memory: ByteCount | None = None
    """What canisters may take of this machine's memory, if that is bounded; it may be another amount each time."""
    signs_by_shares: bool = False
    """Certificates are signed by shares of nodes; it may be otherwise each time."""
    network: Network | None = None
    """All subnets that there are, `subnet` among them; None if it is the only one."""

    def engine(self) -> JournaledEngine:
        """The engine without canisters. Raises `MemoryError` where there can be no file for pages."""
        residence = None if self.memory is None else bounded(self.memory)
        engine = JournaledEngine(
            self.profile,
            self.subnet,
            self.time,
            self.root_key,
            explains=False,
            threads=self.threads,
            residence=residence,
            keeps_answers=True,
            tells_newer_fields=True,
            network=self.network,
        )
        engine.instance.network.signs_by_shares = self.signs_by_shares
        return engine

    def described(self) -> dict[Text, Any]:
        """What must be the same whenever the engine goes on."""
        return {
            "profile": self.profile.name,
            "limits and prices": repr(self.profile),
            "subnet": self.subnet.subnet_id,
            "nodes": self.subnet.subnet_size,
            SUBNETS: 1 if self.network is None else len(self.network),
            "root key": self.root_key,
        }


@defines("seed1.orthogonal-persistence", "seed2.module-stored")
class StateDirectory:
    """A directory that this process alone uses, and the engine whose state it holds."""

    def __init__(self, path: Path, *, checkpoint_steps: Count, keeps_history: bool) -> None:
        """Use `opened`."""
        self.path = path
        self._checkpoint_steps = checkpoint_steps
        self._keeps_history = keeps_history
        self._lock = _locked(path)
        self.noted: Count = 0
        """How many inputs were written into the journal since the process began."""
        self.acknowledged: Count = 0
        """How many of them are on the disk."""
        self._steps_at_checkpoint: Count = 0
        self.engine: JournaledEngine
        self.checkpoints: Checkpoints
        self._contents: Contents
        self._kept = KeptHash()
        self._journal: Journal
        self._identity: Blob

    @classmethod
    def opened(
        cls,
        path: Path,
        beginning: Beginning,
        *,
        checkpoint_steps: Count = CHECKPOINT_STEPS,
        keeps_history: bool = False,
    ) -> Self:
        """
        A directory, whose engine is as it was when the last process that used it ended; a new one if it is empty.

        With its history a directory keeps the journals from before the last checkpoint too. Raises
        `StateDirectoryFault`.
        """
        with naming(path):
            make_directory(path)
            opened = cls(path, checkpoint_steps=checkpoint_steps, keeps_history=keeps_history)
            try:
                opened._begin(beginning)
            except BaseException:
                os.close(opened._lock)
                raise
        return opened

    # Beginning

    def _begin(self, beginning: Beginning) -> None:
        _tidy(self.path)
        journals = _journals(self.path)
        description = self.path / DESCRIPTION
        if not description.exists():
            if journals or any(self.path.glob("checkpoint-*")):
                raise StateDirectoryFault(f"{description}: the file is missing")
            _describe(description, beginning)
        self._identity, begun_at = _read_description(description, beginning)
        self.engine = evolve(beginning, time=begun_at).engine()
        self.checkpoints = Checkpoints(self.path, self._identity)
        self.checkpoints.find()
        self._require_journals(journals)
        if self.checkpoints.last:
            self._go_on()
        else:
            self._contents = Contents()
            self._write_checkpoint()
        self.engine.note = self._note

    def _require_journals(self, journals: list[Count]) -> None:
        """Beside that of the last checkpoint there may be the next one, of which nothing was written yet."""
        last = self.checkpoints.last
        for number in journals:
            if number > last:
                found = read_journal(journal_path(self.path, number), self._identity)
                if number > last + 1 or found.records:
                    raise StateDirectoryFault(f"{self.path}: checkpoint {number} is missing, its journal is there")
                remove(found.path)
            elif number < last and not self._keeps_history:
                remove(journal_path(self.path, number))

    def _go_on(self) -> None:
        """The last checkpoint, and what came in since."""
        try:
            residence = self.engine.residence
            # Reason: where nothing bounds the memory, pages need not be read again.
            aside = None if residence is None else PagesAside(residence.file)
            entries = self.checkpoints.read(None if aside is None else HashedAside(aside, self._kept))
            hashed = entries.pop(CERTIFIED, None)
            self._kept.take(entries)
            if hashed is not None:
                # Reason: versions before this hash wrote none.
                require_certified(hashed, self._kept, self.engine.instance.network.root_key)
            self._contents = bring_back(self.engine, entries, aside)
        except (NoValue, ValueError, KeyError, TypeError) as problem:
            because = f"checkpoint {self.checkpoints.last} cannot be brought back: {problem}"
            raise StateDirectoryFault(f"{self.path}: {because}") from None
        found = read_journal(journal_path(self.path, self.checkpoints.last), self._identity)
        _replay(self.engine, found)
        self._journal = Journal(found)
        if found.program != own_version():
            # Reason: a journal says of all its records which version wrote them.
            self.checkpoint()

    # Going on

    def _note(self, given: Input) -> None:
        self._journal.append(record_of(given))
        self.noted += 1

    def acknowledge(self) -> None:
        """All that was noted until now is on the disk from now on. Another thread than the engine's may ask for it."""
        noted = self.noted
        self._journal.acknowledge()
        self.acknowledged = max(self.acknowledged, noted)

    def after_round(self) -> None:
        """A checkpoint, if it is time for one."""
        is_due = self.engine.steps - self._steps_at_checkpoint >= self._checkpoint_steps
        if is_due or self._journal.size > LONGEST_JOURNAL:
            self.checkpoint()

    @defines("seed1.checkpoints")
    def checkpoint(self) -> None:
        """Keeps the engine as it is now. Raises `StateDirectoryFault`; the directory holds all of it anyway then."""
        self.acknowledge()
        before = self._journal
        self._write_checkpoint()
        before.close()
        if not self._keeps_history:
            remove(before.path)

    def _write_checkpoint(self) -> None:
        number = self.checkpoints.last + 1
        create_journal(self.path, number, self._identity, own_version())
        changes = self._contents.changes(self.engine)
        self._kept.take(changes)
        self.checkpoints.write({**changes, CERTIFIED: certified(self.engine.instance, self._kept)})
        self._journal = Journal(read_journal(journal_path(self.path, number), self._identity))
        self._steps_at_checkpoint = self.engine.steps

    def close(self) -> None:
        """Nothing more is written, and another process may use the directory."""
        self.engine.note = None
        self._journal.close()
        os.close(self._lock)


def _locked(path: Path) -> int:
    """The lock of a directory, which goes with the process that holds it. Raises `StateDirectoryFault`."""
    with naming(path / LOCK):
        descriptor = os.open(path / LOCK, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_OF_OWNER)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise StateDirectoryFault(f"{path}: another process uses this directory (process {holder})") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    return descriptor


def _tidy(path: Path) -> None:
    """Files that were not finished go. There may be none that are not ours."""
    for one in sorted(path.iterdir()):
        if FILES.fullmatch(one.name.removesuffix(UNFINISHED)) is None:
            raise StateDirectoryFault(f"{one}: this is no file of a state directory; take one that is empty")
        if one.name.endswith(UNFINISHED):
            remove(one)


def _journals(path: Path) -> list[Count]:
    return sorted(int(named[1]) for one in path.iterdir() if (named := JOURNAL.fullmatch(one.name)))


def _describe(path: Path, beginning: Beginning) -> None:
    told = {"identity": token_bytes(IDENTITY_SIZE), "begun at": beginning.time, **beginning.described()}
    with new_file(path) as file:
        file.write(MAGIC + framed(cbor2.dumps(told), FIRST))


def _read_description(path: Path, beginning: Beginning) -> tuple[Blob, Nanoseconds]:
    """What names the directory, and when its engine began. Raises `StateDirectoryFault` if it is another one's."""
    try:
        frames = list(frames_of(path))
    except Torn as torn:
        raise broken(path, torn.place, str(torn)) from None
    if len(frames) != 1:
        raise broken(path, frames[1].place if frames else len(MAGIC), "the file is not as it was written")
    # Reason: when this was not told there was one always.
    told = {SUBNETS: 1, **cbor2.loads(frames[0].content)}
    for name, wanted in beginning.described().items():
        if told.get(name) != wanted:
            is_short = isinstance(wanted, int) or name == "profile"
            values = f": it is {told.get(name)} there, and {wanted} here" if is_short else ""
            raise StateDirectoryFault(f"{path.parent}: the state is one of another {name}{values}")
    return told["identity"], told["begun at"]


def _replay(engine: JournaledEngine, found: ReadJournal) -> None:
    """The engine gets all inputs again. Raises `StateDirectoryFault`."""
    if found.records and found.program != own_version():
        because = f"icspec {found.program} was killed here; start that version once, and end it by SIGTERM"
        raise StateDirectoryFault(f"{found.path}: {because}")
    for frame in found.records:
        try:
            give(engine, input_of(frame.content))
        except NoValue as problem:
            raise broken(found.path, frame.place, str(problem)) from None
        engine.explain()
