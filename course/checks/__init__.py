"""Checks that answer at once: each takes what a student wrote, prints a line, returns a bool."""
