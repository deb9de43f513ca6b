"""What is done: claims, leases, the execution of handlers, and the handlers that come with the service."""
