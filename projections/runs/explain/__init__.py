"""Why a run waits, or how it came to its end: pure, of what stood around it at one moment.

Begin with `explanation.py`. What decides on claims (`projections.runs.limits`) decides here, too.
"""
