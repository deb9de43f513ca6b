"""A model of the service in a page, and random commands that hold the real one against it.

Begin with `model.py`; `test_model.py` has a rule for each command, `machine.py` what
holds after each.
"""
