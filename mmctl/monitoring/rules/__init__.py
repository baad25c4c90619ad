"""Alert and recording rules as tables, and what is made of them and judges them."""
