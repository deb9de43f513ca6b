"""Failures as they are seen: `groups.py` is the table of groups, `lists.py` what is shown of it.

`asked.py` has the conditions of filters of runs that are about failures, `promises.py` what groups'
logs are held against. `watch.py` is the table that says up to where the log was searched, and
`found.py` what a search asks of the tables.
"""
