"""Families of models in use: how each is fitted from sums, and the model that it leaves."""
