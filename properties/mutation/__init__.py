"""How much of what is wrong the conformance suite notices: wrong copies of the reference implementation, judged."""
