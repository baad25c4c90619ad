"""Binance natively, spot and USDⓈ-M: order socket, streams, REST, requests as bytes, its words in ours."""
