"""The terminal dashboard: one action table, one data source, screens that show the age of every number."""

import os

# Textual reads it when it is first imported. It bounds how soon after one paint the next may come: at its own 60 a
# second a key that is pressed while figures are painted waits for up to 17 ms more.
os.environ.setdefault("TEXTUAL_FPS", "240")
