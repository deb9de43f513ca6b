"""Git repositories and servers for tests."""
