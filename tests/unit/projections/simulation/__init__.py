"""What would have been."""
