"""What a test does to the sandbox: faults, changed histories, its own endpoints under /sandbox."""
