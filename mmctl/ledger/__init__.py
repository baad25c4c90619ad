"""Who may change a fleet now, and who changed what: the lock and the audit trail."""
