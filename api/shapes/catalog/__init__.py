"""The catalog: `records.py` has apps and builds, `lists.py` what comes with lists of apps.

They are what `api/routes/catalog/` takes and answers.
"""
