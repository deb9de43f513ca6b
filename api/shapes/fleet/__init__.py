"""What clients send and see of what steers a fleet: bulk operations.

Uses the shapes beside. Begin with `bulk.py`.
"""
