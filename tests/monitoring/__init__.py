"""Real Prometheus, Alertmanager and Chromium on what the engine really tells."""
