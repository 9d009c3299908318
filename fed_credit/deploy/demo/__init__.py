"""A whole deployment on one machine, to look at and to test: ``fed-credit deploy demo``."""
