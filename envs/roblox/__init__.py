"""Roblox racing games that connect to the suite over a WebSocket, and their twin."""
