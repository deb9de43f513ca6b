"""Every kind of question that clients and workers put to tables and log, asked as they ask it."""
