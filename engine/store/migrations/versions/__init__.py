"""One file a revision; file names start with the revision."""
