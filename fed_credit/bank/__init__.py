"""A bank of a deployment: from its own file and what a run asks to the loans it answers for."""
