"""What becomes of commands and questions when the database fails, stalls, is locked or is full."""
