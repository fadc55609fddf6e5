"""One hash of all that is kept: it follows what changes, is that of hashing everything, and is certified."""

import random
from hashlib import sha256

import pytest
from attrs import evolve

from reference_impl.certification.hash_trees import tree_of
from reference_impl.certification.signing import ROOT_KEY
from reference_impl.durability import kept_hash
from reference_impl.durability.contents import PAGE, Contents
from reference_impl.durability.directory import StateDirectory
from reference_impl.durability.faults import StateDirectoryFault
from reference_impl.durability.kept_hash import CERTIFIED, KEPT_STATE, KeptHash, certified, require_certified
from reference_impl.durability.kept_values import NoValue, decoded, encoded
from reference_impl.durability.tests.working import BEGINNING, WORKER, Work, argument, offer
from reference_impl.wasm.instances.kept_instances import KEPT
from spec.certification.bls_signatures import verify_bls_signature
from spec.certification.certificate import decode_certificate, lookup, verify_certificate
from spec.certification.hash_tree import Found


def hash_of_all(entries):
    """The hash with nothing known from before: every page is hashed."""
    leaves, parts = {}, {}
    for key, value in entries.items():
        if key[:1] == PAGE:
            parts.setdefault(key[:-1], {})[key[-1]] = sha256(value).digest()
        else:
            leaves[key] = sha256(value).digest()
    for part, hashes in parts.items():
        joined = b"".join(hashes.get(number, bytes(32)) for number in range(max(hashes) + 1))
        leaves[part] = sha256(joined).digest()
    return tree_of(leaves).hash


def applied(entries, changes):
    return {key: value for key, value in {**entries, **changes}.items() if value is not None}


@pytest.fixture
def working():
    """An engine with a canister that writes."""
    engine = BEGINNING.engine()
    work = Work(0, engine)
    for given in (work.created, lambda: work.installed(min(engine.instance.canisters), WORKER)):
        offer(engine, given())
        engine.drain()
    return engine, work, min(engine.instance.canisters)


@pytest.mark.checklist("seed1.dirty-pages-certification")
@pytest.mark.parametrize("seed", range(4))
def test_hashing_what_changed_gives_what_hashing_everything_gives(seed):
    engine, contents, kept, entries = BEGINNING.engine(), Contents(), KeptHash(), {}
    hashes = []
    for number, given in enumerate(Work(seed, engine).inputs(150)):
        offer(engine, given)
        if number % 5 == seed:
            changes = contents.changes(engine)
            entries = applied(entries, changes)
            kept.take(changes)
            hashes.append(kept.value)
            assert kept.value == hash_of_all(entries)
    assert sum(key[:1] == PAGE for key in entries) > 5
    assert len(set(hashes)) > 20


@pytest.mark.checklist("seed1.dirty-pages-certification")
def test_of_the_pages_those_that_were_written_are_hashed_and_no_others(working, monkeypatch):
    engine, work, canister = working
    contents, kept, hashed = Contents(), KeptHash(), []

    def noting(content):
        hashed.append(len(content))
        return sha256(content)

    for place in range(17):
        offer(engine, work.call(canister, "write", argument(65_536 * place + 5000, 1)))
    engine.drain()
    kept.take(contents.changes(engine))
    monkeypatch.setattr(kept_hash, "sha256", noting)
    offer(engine, work.call(canister, "write", argument(70_536, 9)))
    engine.drain()
    kept.take(contents.changes(engine))
    assert hashed.count(4096) == 2, "the page that was asked for, and the one with argument and count"


def test_pages_that_come_and_go_leave_the_hash_of_what_is_there():
    chosen, kept, entries = random.Random(1), KeptHash(), {}
    empty = kept.value
    for _ in range(300):
        key = chosen.choice([PAGE + b"hx", b"C"]) + chosen.choice([0, 255, 256, 700]).to_bytes(4, "big")
        changes = {key: chosen.choice([None, chosen.randbytes(4096)])}
        kept.take(changes)
        entries = applied(entries, changes)
        assert kept.value == hash_of_all(entries)
    kept.take(dict.fromkeys(entries))
    assert kept.value == empty


@pytest.mark.checklist("seed1.checkpoints")
def test_a_checkpoint_is_certified_by_the_subnet(tmp_path):
    directory = StateDirectory.opened(tmp_path / "state", BEGINNING)
    work = Work(2, directory.engine)
    for given in work.inputs(40):
        offer(directory.engine, given)
    directory.checkpoint()
    entries = directory.checkpoints.read()
    directory.close()
    value, encoded_certificate = decoded(entries.pop(CERTIFIED))
    certificate = decode_certificate(encoded_certificate)
    assert verify_certificate(certificate, ROOT_KEY, verify_bls_signature)
    assert lookup((KEPT_STATE,), certificate) == Found(value)
    assert value == hash_of_all(entries)


@pytest.mark.parametrize("memory", [None, 200_000])
def test_with_little_memory_the_hash_is_the_same_and_what_was_kept_is_brought_back(tmp_path, monkeypatch, memory):
    monkeypatch.setattr(KEPT, "most_bytes", KEPT.most_bytes)
    beginning, hashes = evolve(BEGINNING, memory=memory), []
    for seed in range(3):
        directory = StateDirectory.opened(tmp_path / "state", beginning)
        for given in Work(seed, directory.engine).inputs(60):
            offer(directory.engine, given)
            directory.after_round()
        directory.checkpoint()
        entries = directory.checkpoints.read()
        directory.close()
        hashes.append(decoded(entries.pop(CERTIFIED))[0])
        assert hashes[-1] == hash_of_all(entries)
    assert len(set(hashes)) == 3
    assert sum(key[:1] == PAGE for key in entries) > 5


def test_what_was_not_certified_is_not_brought_back(working):
    engine, _, _ = working
    kept = KeptHash()
    kept.take(Contents().changes(engine))
    entry = certified(engine.instance, kept)
    require_certified(entry, kept, ROOT_KEY)
    with pytest.raises(NoValue, match="the certificate of what is kept is not valid"):
        require_certified(entry, kept, ROOT_KEY[:-1] + bytes([ROOT_KEY[-1] ^ 1]))
    kept.take({b"Cother": b"canister"})
    with pytest.raises(NoValue, match="what is kept is not what was kept"):
        require_certified(entry, kept, ROOT_KEY)
    _, certificate = decoded(entry)
    with pytest.raises(NoValue, match="the certificate of what is kept is not valid"):
        require_certified(encoded([kept.value, certificate]), kept, ROOT_KEY)


def test_a_directory_with_another_page_is_told(tmp_path, monkeypatch):
    """A page is changed before its checksum is made, so that nothing else notices."""
    directory = StateDirectory.opened(tmp_path / "state", BEGINNING)
    work = Work(3, directory.engine)
    for given in work.inputs(60):
        offer(directory.engine, given)
    write = directory.checkpoints.write

    def spoilt(changes):
        page = next(key for key in changes if key[:1] == PAGE)
        write({**changes, page: b"\xee" + changes[page][1:]})

    monkeypatch.setattr(directory.checkpoints, "write", spoilt)
    directory.checkpoint()
    directory.close()
    with pytest.raises(StateDirectoryFault, match="cannot be brought back: what is kept is not what was kept"):
        StateDirectory.opened(tmp_path / "state", BEGINNING)
