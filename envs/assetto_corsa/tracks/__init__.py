"""Tracks of Assetto Corsa: their files, a generator, importers of a user's own, racing lines and occupancy grids."""
