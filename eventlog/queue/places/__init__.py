"""Where a run stands in the queue, for explanations.

Uses what is known of candidates, limits and turns (`projections.runs`). Begin with `in_front.py`.
"""
