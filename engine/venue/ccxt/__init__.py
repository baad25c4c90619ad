"""Every other exchange through ccxt: orders and reads over REST, streams as frames the kernel reads."""
