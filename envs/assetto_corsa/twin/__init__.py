"""A stand-in for Assetto Corsa with its plugin: the same bytes at the same ports, and no game."""
