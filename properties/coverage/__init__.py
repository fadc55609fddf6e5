"""Which row of the checklist is said by which definition, and shown by which test, scenario or proof."""
