"""What a job's content says of how many of its runs may start, beside the aggregates.

Uses the content itself (`domain.jobs.definition.Spec`). Begin with `groups.py`.
"""
