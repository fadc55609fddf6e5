"""Exhaustive exploration of small worlds: every interleaving, every invariant."""
