"""TrackMania 2020 through the telemetry plugins that its players have: driven as TMRL does, without TMRL."""
