"""What a terminal is told of runs: a line for each start and each end, and how such lines speak.

Begin with `run_lines.py`.
"""
