"""Models that others have published: found in a table, fetched, and read by their file format."""
