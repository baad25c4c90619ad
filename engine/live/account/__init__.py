"""The account: fills into books and journal, position and profit, what the exchange says against what we hold."""
