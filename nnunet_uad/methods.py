"""All methods and trainers; importing this loads nothing heavy."""
