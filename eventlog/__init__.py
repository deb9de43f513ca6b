"""Where it is kept: the log on PostgreSQL, from its one writer to its checks, seals and archives.

One room a subject, each above those that it uses: `append`, then `rebuild`, `seal` and `workers`,
`history`, `archive` and `personal`, `encoding`, `database`, `keys`. Begin with `append/writer.py`.
"""
