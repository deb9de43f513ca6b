"""Clusters of Ray on this machine, for tests."""
