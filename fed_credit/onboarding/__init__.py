"""Bringing a bank's own table in: propose a schema for it, and compare banks with one another."""
