"""Paper trading: the live market, and an account that exists only here."""
