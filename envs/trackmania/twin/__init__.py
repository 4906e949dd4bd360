"""A stand-in for the game: the shared vehicle model on a road, speaking the bytes of the telemetry plugin."""
