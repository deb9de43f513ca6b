"""Which runs are meant: the one grammar of filters, for lists, commands and bulk operations.

Uses the words of `jobs` and `failures` and the values beside. Begin with `words.py` (one condition
as it is written), then `runs.py` (what conditions there are) and `conditions.py` (what they come
to). Pure: what a slug or a text stands for is looked up elsewhere (`projections.runs.filter`).
"""
