"""Simulations over a real log."""
