"""What tests of builds need: builders, real and pretended, and a registry."""
