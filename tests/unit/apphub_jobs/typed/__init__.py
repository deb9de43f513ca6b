"""Tests of jobs made of typed functions."""
