"""What is read of the runs that wait, and by which conditions: texts of claims and explanations.

Uses the domain alone. Begin with `columns.py`.
"""
