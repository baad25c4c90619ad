"""What is done when the engine cannot: the sentinel's actions, over REST and the halt mark alone."""
