"""Real processes behind proxies, faults by a seed, and proofs kept outside the service.

`python -m tests.chaos --seed 1 --minutes 5`. Begin with `program.py`; `faults.py` has one function
a fault, `handlers.py` what keeps the proofs, `tally.py` what is counted at the end.
"""
