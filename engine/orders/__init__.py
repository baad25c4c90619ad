"""Own orders: state table, client ids, rate budget, order manager, reconciliation. Pure: no I/O and no clock."""
