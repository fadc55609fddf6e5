"""What the text of the specification means on unknown values, and what of it is refused."""
