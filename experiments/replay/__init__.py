"""The replay ring: what it keeps, on the disk, and how transitions and sequences are drawn from it."""
