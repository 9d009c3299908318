"""From an application to a decision, by a model's file: tables, large files, single records."""
