"""Everything around one trial: the algorithm, replay, tracking, checkpoints, evaluation."""
