"""From a model's PD to a decision: calibration, score, grade, cut-offs."""
