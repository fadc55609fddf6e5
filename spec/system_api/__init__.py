"""
The System API: the functions `ic0.*` that a canister may import, and the canister module over them.

`table` lists every import; one module a family holds their meaning; `execution` what they change; `run` one execution
of a function; `requirements` what a module must be; `module` the `CanisterModule` that the rules see.
"""
