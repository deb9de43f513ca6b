"""What a row of `job_runs` says; how events move it stands in `projections/job_runs.py`.

Uses `rows.py` and `table.py`. Begin with `row.py`; `holders.py` asks which runs have slots.
"""
