"""Retraining: when it is due, on which labels, from where it starts, and what it has to show."""
