"""Apps from their repository to their image."""
