"""The exchange itself: accounts, orders, filters, and the matching of clients' orders with the market's flow."""
