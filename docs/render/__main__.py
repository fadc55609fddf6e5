"""Writes the generated pages: `python -m docs.render`."""

from docs.render.pages import write

print(f"docs/generated: {write()} pages")
