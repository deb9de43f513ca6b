"""What a schema marks as personal, and the people whom it concerns.

Begin with `marks.py` (which parameters are whose); `subject.py` is the aggregate that is erased.
"""
