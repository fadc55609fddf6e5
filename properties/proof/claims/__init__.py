"""What is to be proved of each path of each rule, and the proofs."""
