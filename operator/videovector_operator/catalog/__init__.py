"""What is known about media: PostgreSQL, and the only room that knows SQL."""
