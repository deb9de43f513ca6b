"""Tests of what helps users to test."""
