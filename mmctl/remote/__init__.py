"""Pure builders of what runs on a host: every function returns the text of an sh script, and does nothing itself."""
