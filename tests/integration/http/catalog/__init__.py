"""Apps and builds over HTTP."""
