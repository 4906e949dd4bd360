"""TrackMania 2020 by the interface of TMRL: https://github.com/trackmania-rl/tmrl."""
