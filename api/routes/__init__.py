"""One file a resource: from a request to a command or a query, and back to an answer."""
