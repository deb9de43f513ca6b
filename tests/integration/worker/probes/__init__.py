"""Tests of the processes that tell which handlers there are."""
