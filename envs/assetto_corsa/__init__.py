"""Assetto Corsa through the unmodified plugin of assetto_corsa_gym, or its twin."""
