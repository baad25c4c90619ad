"""What a start reads and checks: the exchange's account, the journal's lineage, what the engine before us left."""
