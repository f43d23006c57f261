"""Reading media files' technical metadata."""
