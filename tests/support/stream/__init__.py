"""Clients of the stream, and what they must be told."""
