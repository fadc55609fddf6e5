"""Stories: what people do with modules of their own, in order, with arguments in Candid's textual form."""
