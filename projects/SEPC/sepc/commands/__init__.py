"""The command lines of the project, a module each: ``sepc NAME``, and tools/ of a checkout."""
