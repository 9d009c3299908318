"""The whole loop on this machine, with the real commands: ``fed-credit lifecycle demo``."""
