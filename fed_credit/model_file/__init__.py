"""One file per model: what scores, what decides, what it is worth, and what proves it is whole."""
