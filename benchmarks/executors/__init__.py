"""How attempts are kept apart, and what that costs.

Begin with `shared.py`, which `waiting.py` uses; `on_ray.py` stands alone.
"""
