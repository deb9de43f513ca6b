"""Who asks, and what they may do. Begin with `principals.py`."""
