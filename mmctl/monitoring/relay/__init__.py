"""The relay beside Alertmanager: what it cannot shape or keep secret itself goes this way, and it is the dead-man."""
