"""What a run tells: progress, the terminal's table, ``results.json`` and the report."""
