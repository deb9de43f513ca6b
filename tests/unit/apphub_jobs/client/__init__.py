"""Tests of what the clients decide without asking anybody."""
