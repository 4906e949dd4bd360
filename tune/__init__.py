"""Everything that spans trials: sweeps, their callbacks and their resumption."""
