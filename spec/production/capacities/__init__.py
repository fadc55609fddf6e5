"""The capacities of a subnet, and who finds none: a policy over the choices that the rules leave to the system."""
