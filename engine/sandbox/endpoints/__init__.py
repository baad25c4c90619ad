"""What each endpoint does and answers: orders, account, market data, in each market's own shapes."""
