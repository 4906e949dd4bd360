"""The networks: encoders, heads and one RLModule per algorithm."""
