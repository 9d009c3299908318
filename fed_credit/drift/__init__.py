"""Statistics of drift and of matured vintages, all from sums: pure functions, no file, no bank."""
