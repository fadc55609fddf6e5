"""Certification: hash trees, how they are pruned and looked up in, and certificates."""
