"""Gateways to exchanges behind one protocol: Binance natively, every other exchange through ccxt, and paper."""
