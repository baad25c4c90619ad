"""The terminal dashboard: one action table, one data source, screens that show the age of every number."""
