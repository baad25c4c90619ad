"""Who and where: the fleet file, and the ways of reaching a host."""
