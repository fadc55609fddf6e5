"""The abstract canister: what a module is to the rules, whatever language it is written in."""
