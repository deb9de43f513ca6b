"""The catalog: `apps.py` and `builds.py` have what is done, `app_lists.py` what is looked for.

Both are routes over `domain/commands/catalog.py` and `projections/apps/`.
"""
