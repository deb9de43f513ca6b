"""Where it is kept: the log on PostgreSQL, its one writer and its one reader a process."""
