"""Why a model says what it says: over all loans from sums, and of one loan exactly."""
