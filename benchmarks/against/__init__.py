"""What the rows are held against: bare servers, the library, other job systems."""
