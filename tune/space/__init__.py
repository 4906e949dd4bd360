"""Search spaces: which keys of a config a sweep varies, over which values, under which conditions and constraints."""
