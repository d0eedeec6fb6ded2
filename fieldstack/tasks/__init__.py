"""The process that runs tasks: program (declared, checked), run, keep (on disk), control (commands)."""
