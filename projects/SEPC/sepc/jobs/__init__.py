"""What the commands do, one module each; the command lines are in :mod:`sepc.commands`."""
