"""Policies as single files that other programs drive: what is in one, how it is written, read and compared."""
