"""Dashboards drawn outside Grafana: what each panel asks Prometheus, and the page its answers are put into."""
