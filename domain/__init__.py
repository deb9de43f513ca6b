"""What is true: aggregates, their events and the commands on them. No input or output happens here."""
