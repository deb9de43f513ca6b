"""An older release beside this one on one log."""
