"""What operators ask and command: status, figures, commands, reload."""
