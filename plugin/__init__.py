"""Reading and writing the files that people keep timed text in."""
