"""Whose run goes next, where the values of a parameter take turns (`fairnessKey`).

`turns.py` decides, and is pure; `circles.py` reads what it needs. Uses `candidates/`. Begin with
`turns.py`.
"""
