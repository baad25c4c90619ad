"""The operator's verbs: parse, call, print, exit code. No logic lives here."""
