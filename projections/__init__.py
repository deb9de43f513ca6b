"""What is seen: one file a table, each with its columns, its fold and its queries."""
