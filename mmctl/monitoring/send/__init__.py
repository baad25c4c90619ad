"""Telling people: one message to one channel, in that channel's own form, with a deadline and with its answer."""
