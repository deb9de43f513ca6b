"""Requests that are odd, refused or too many."""
