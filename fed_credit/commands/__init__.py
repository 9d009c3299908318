"""The commands of ``fed-credit``, one module each; imported only when asked for."""
