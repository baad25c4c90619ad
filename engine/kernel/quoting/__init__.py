"""From a strategy's quotes to actions: what it may see, what is checked, what is kept, placed or refused."""
