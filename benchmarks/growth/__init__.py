"""Everything measured at ten thousand, a million and five million runs."""
