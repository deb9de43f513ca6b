"""Tests of the fixtures that users test their jobs with."""
