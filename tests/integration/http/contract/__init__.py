"""The platform's contract as a table: requests and the whole answers to them."""
