"""Many photos to a table of answers: listed once, cut into shards, resumable after any kill."""
