"""The composition root: settings in, running parts out.

Begin with `service.py`; `settings.py` lists what an operator decides.
"""
