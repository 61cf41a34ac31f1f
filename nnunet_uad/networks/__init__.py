"""Networks: the plan's own network as a reconstructor, and wrappers around it."""
