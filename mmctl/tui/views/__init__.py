"""The screens, one a file: what stands on them, and how a look at an engine becomes panels, tables and drawings."""
