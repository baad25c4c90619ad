"""What shows and judges the engine from outside: dashboards, rules, scrape files, made from the catalogue."""
