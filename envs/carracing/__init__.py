"""CarRacing: Gymnasium's physics and pixels, with action repeat and the observations that policies read."""
