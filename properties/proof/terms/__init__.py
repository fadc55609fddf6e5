"""Terms of Z3, and the session that keeps them."""
