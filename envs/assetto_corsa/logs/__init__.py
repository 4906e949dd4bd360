"""What is written of episodes, and read again: parquet logs, lap times, a table of episodes, demonstrations."""
