"""Job definitions over HTTP."""
