"""Orders on their way: the desk, what sends and what writes down, closing a position, proof that none is open."""
