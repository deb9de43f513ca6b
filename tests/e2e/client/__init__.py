"""Tests of the clients against a service at work."""
