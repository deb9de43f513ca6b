"""The examples, run by the service as a user runs them."""
