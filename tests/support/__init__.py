"""What several tests need: databases, processes, handlers, a proxy that cuts."""
