"""Models by version and stage: who promoted what, when and why, with a way back."""
