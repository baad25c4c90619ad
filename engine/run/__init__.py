"""One run of the engine, phase by phase: starting, leading, ending. ``engine.app`` puts the three in their order."""
