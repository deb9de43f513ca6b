"""How attempts are kept apart, and what that costs.

Begin with `sharing.py`; `on_ray.py` stands alone.
"""
