"""What a model is worth, exactly or from released sums, and who gains by the federation."""
