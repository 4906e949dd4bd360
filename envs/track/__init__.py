"""Tracks, what cars sense of them, and a car: what the loopback twins of all games share, independent of any game."""
