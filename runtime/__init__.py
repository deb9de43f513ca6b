"""What every process needs whatever it does, independent of all other rooms."""
