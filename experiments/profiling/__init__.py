"""The profile of a run: sampled calls, torch's operators, and what they say in words."""
