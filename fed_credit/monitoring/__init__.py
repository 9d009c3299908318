"""A model watched in use: the report of a day, its alerts, and where they go."""
