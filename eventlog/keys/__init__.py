"""Private keys in files: the one that signs seals, and the master key of personal data."""
