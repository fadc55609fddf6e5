"""Each row of the list `unspecified` of the checklist says where it stands, and names what makes it so."""

import importlib
import re
from functools import reduce

import pytest

from conformance.tests import test_different
from docs.render.left_open import STANDS, left_open, titles
from spec.profile import load_profile

ROWS = left_open()
DIFFERENT = {implementation for implementation, _ in test_different.DIFFERENT}


def test_every_row_has_an_entry_and_every_entry_a_row():
    assert list(titles()) == list(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_an_entry_says_what_is_so_in_a_sentence(row):
    entry = ROWS[row]
    assert entry.stands in STANDS
    assert re.fullmatch(r"[A-Z0-9].*\.", entry.says), entry.says
    assert entry.where or entry.stands in ("unseen", "not_admitted")


@pytest.mark.parametrize("name", sorted({name for entry in ROWS.values() for name in entry.where}))
def test_what_an_entry_names_exists(name):
    module, _, attribute = name.partition(":")
    found = load_profile("production") if module == "profile" else importlib.import_module(module)
    reduce(getattr, attribute.split("."), found)


@pytest.mark.parametrize("row", [row for row, entry in ROWS.items() if entry.different])
def test_implementations_that_do_otherwise_are_among_those_that_pass(row):
    """What only some environments admit is no difference in a calm one."""
    for name in ROWS[row].different:
        module, _, class_name = name.partition(".")
        planted = getattr(importlib.import_module(f"conformance.tests.planted.{module}"), class_name)
        assert planted in DIFFERENT or ROWS[row].stands == "environment" or module == "bugs", name
