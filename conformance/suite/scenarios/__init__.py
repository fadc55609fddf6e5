"""The scenarios of the suite. A module is a group; each function marked with `@scenario` is one of them."""
