"""Other job queues on PostgreSQL, each set up as its documentation recommends."""
