"""The command line, as operators use it."""
