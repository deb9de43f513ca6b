"""Measurements: ratios on one machine in one run. None of them is a test."""
