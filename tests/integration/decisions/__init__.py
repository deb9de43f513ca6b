"""What commands decide by: rows and heads, and a history only where a row cannot be relied on."""
