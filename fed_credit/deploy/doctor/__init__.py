"""Looking over a kit, a bank's or the operator's: what is wrong, and what to do about it."""
