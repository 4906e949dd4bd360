"""A stand-in for the Roblox game: many cars on a circuit, in the three dialects that are in the wild."""
