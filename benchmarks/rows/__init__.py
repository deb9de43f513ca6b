"""One file a row of the README's table."""
