"""Scorecards from summed counts: classing, selection, points, calibration, grades, export."""
