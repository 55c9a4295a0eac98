"""Karaoke and timing from within Aegisub: its Lua scripts, where they go, and the jobs that they hand over."""
