"""Marks are read from the source text, and only where they mean something."""

from pathlib import Path

import pytest

from properties.coverage.marks import MarkError, definitions
from properties.coverage.marks import tests as marked_tests


def names(marks):
    return [(mark.row, mark.name) for mark in marks]


def written(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return root


def test_functions_and_classes_are_definitions_of_what_they_are_decorated_with(tmp_path):
    text = '@transition()\n@defines("a.1", "a.2")\ndef f(): ...\n\n@defines("b")\nclass C: ...\n'
    assert names(definitions(written(tmp_path, "spec/rules.py", text))) == [
        ("a.1", "spec/rules.py::f"),
        ("a.2", "spec/rules.py::f"),
        ("b", "spec/rules.py::C"),
    ]


def test_constants_and_fields_name_rows_in_their_docstring(tmp_path):
    text = (
        'N: Final = 3\n"""How many. Checklist: `c.one`, `c.two`."""\n\n'
        'class C:\n    size: int\n    """Checklist: `c.three`."""\n    other: int\n'
    )
    assert names(definitions(written(tmp_path, "spec/profile.py", text))) == [
        ("c.one", "spec/profile.py::N"),
        ("c.two", "spec/profile.py::N"),
        ("c.three", "spec/profile.py::C.size"),
    ]


def test_a_docstring_of_a_module_and_a_file_with_tests_define_nothing(tmp_path):
    written(tmp_path, "spec/a.py", '"""Checklist: `x`."""\n')
    written(tmp_path, "spec/tests/test_a.py", '@defines("x")\ndef f(): ...\n')
    assert definitions(tmp_path) == ()


def test_tests_show_what_they_are_marked_with_also_by_parameter(tmp_path):
    text = (
        '@pytest.mark.checklist("a")\ndef test_one(): ...\n\n'
        '@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.checklist("b", "c"))])\n'
        "def test_two(x): ...\n\nclass TestThree:\n"
        '    @pytest.mark.checklist("d")\n    def test_inside(self): ...\n'
    )
    assert names(marked_tests(written(tmp_path, "docs/tests/test_a.py", text))) == [
        ("a", "docs/tests/test_a.py::test_one"),
        ("b", "docs/tests/test_a.py::test_two"),
        ("c", "docs/tests/test_a.py::test_two"),
        ("d", "docs/tests/test_a.py::TestThree::test_inside"),
    ]


def test_several_tests_can_show_the_rows_of_one_list(tmp_path):
    text = 'ROWS = ["a", "b"]\n\n@pytest.mark.checklist(*ROWS, "c")\ndef test_one(): ...\n'
    marks = marked_tests(written(tmp_path, "docs/tests/test_a.py", text))
    assert [mark.row for mark in marks] == ["a", "b", "c"]


@pytest.mark.parametrize("mark", ['skip(reason="slow")', "xfail"])
def test_a_test_that_is_not_run_shows_nothing(tmp_path, mark):
    text = f'@pytest.mark.{mark}\n@pytest.mark.checklist("a")\ndef test_one(): ...\n'
    assert marked_tests(written(tmp_path, "spec/tests/test_a.py", text)) == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("test_a.py", '@pytest.mark.checklist("a")\ndef helper(): ...\n'),
        ("worlds.py", '@pytest.mark.checklist("a")\ndef test_one(): ...\n'),
        ("test_a.py", 'def test_one():\n    pytest.mark.checklist("a")\n'),
        ("test_a.py", "@pytest.mark.checklist(ROW)\ndef test_one(): ...\n"),
        ("test_a.py", "@pytest.mark.checklist(*ROWS)\ndef test_one(): ...\n"),
        ("test_a.py", "ROWS = rows()\n@pytest.mark.checklist(*ROWS)\ndef test_one(): ...\n"),
        ("test_a.py", "@pytest.mark.checklist()\ndef test_one(): ...\n"),
    ],
)
def test_a_mark_that_stands_on_no_test_or_names_no_row_is_an_error(tmp_path, name, text):
    with pytest.raises(MarkError, match=name):
        marked_tests(written(tmp_path, f"spec/tests/{name}", text))
