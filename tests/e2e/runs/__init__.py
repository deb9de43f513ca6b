"""Runs from launch to end, through API, worker and handler."""
