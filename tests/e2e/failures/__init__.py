"""What holds while processes die, freeze or have no room."""
