"""The composition root: settings in, running parts out; the one place that puts them together.

Begin with `service.py`; `settings.py` lists what an operator decides.
"""
