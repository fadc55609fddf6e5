"""Unknown values that stand where the rules expect known ones."""
