"""The strategy in a running engine: its arrays, whether it answers, and what follows when it fails."""
