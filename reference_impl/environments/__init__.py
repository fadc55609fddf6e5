"""What executions see of the system, as the reference implementation keeps it."""
