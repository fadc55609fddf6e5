"""The list of sources: sections are found by their anchors, and every rule is in the list."""

import pytest

from spec.tooling.sources import OURS, found_in, main, recorded, rule_sources, sections

TEXT = """# Top {#top}
intro
## First Part: of Two/Three
one
### Inner {#inner}
two
```
# not a heading
```
## Again {#inner}
three
"""


def test_a_section_reaches_to_the_next_heading_of_its_level():
    found = sections(TEXT)
    assert set(found) == {"top", "first-part-of-twothree", "inner"}
    assert found["first-part-of-twothree"].splitlines()[1:] == ["one", "### Inner {#inner}", "two", "```"] + [
        "# not a heading",
        "```",
    ]


def test_headings_with_the_same_anchor_belong_together():
    assert [line for line in sections(TEXT)["inner"].splitlines() if line in ("two", "three")] == ["two", "three"]


def test_a_section_that_does_not_exist_is_named(tmp_path):
    (tmp_path / "text.md").write_text(TEXT)
    assert set(found_in(tmp_path, {"one": "text#top", "ours": "ours#any"})) == {"one"}
    with pytest.raises(ValueError, match="has no section 'middle', which rule one names"):
        found_in(tmp_path, {"one": "text#middle"})


def test_a_folder_without_the_text_gives_one_line(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err.startswith("sources: ")


def test_every_rule_is_in_the_list_and_nothing_else_is():
    named = {name: section for name, section in rule_sources().items() if not section.startswith(OURS)}
    assert {name: source.section for name, source in recorded().items()} == named
