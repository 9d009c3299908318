"""A sweep: many runs from one command, each with a status, compared at the end."""
