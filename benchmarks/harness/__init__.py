"""Processes, load, results and tables: what all rows are measured with."""
